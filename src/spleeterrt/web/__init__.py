"""The page for browsers: its files, a server for this machine, and copies of it for other hosts.

site (files and model) -> server | export to a folder | one file
"""

from __future__ import annotations

from .server import Server
from .single import write_single
from .site import Site, open_site
from .static import export_site

__all__ = ["Server", "Site", "export_site", "open_site", "write_single"]
