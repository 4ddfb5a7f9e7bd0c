"""The description of the service for programs, OpenAPI 3.1: made from the options and limits themselves."""

from __future__ import annotations

from typing import Any

from .._version import __version__
from .job import OVER, WAITING, WORKING
from .jobs import Jobs
from .options import OPTIONS

_MEDIA = {
    "wav": "audio/wav",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "opus": "audio/ogg",
    "mp3": "audio/mpeg",
    "m4a": "audio/mp4",
    "mp4": "video/mp4",
    "aiff": "audio/aiff",
}
_NULL = {"type": "null"}


def media_type(ending: str) -> str:
    """Of a file with this ending."""
    return _MEDIA.get(ending, "application/octet-stream")


def document(jobs: Jobs) -> dict[str, Any]:
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "spleeterrt serve",
            "version": __version__,
            "description": "Separates songs into stems. Send a song, follow its events, fetch its stems.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": _paths(jobs),
        "components": {"schemas": _schemas(), "parameters": _parameters()},
    }


def _paths(jobs: Jobs) -> dict[str, Any]:
    song = "/songs/{id}"
    one = [{"$ref": "#/components/parameters/id"}]
    upload = {
        "summary": "Send a song: its file as the body, or in a form.",
        "description": f"The file may have {jobs.limits.size} bytes. The answer comes when it has arrived; "
        "the song is then separated in its turn.",
        "parameters": [_parameter(option.name, option.help, option.schema) for option in OPTIONS],
        "requestBody": {
            "required": True,
            "content": {
                "application/octet-stream": {
                    "schema": {"type": "string", "format": "binary", "minLength": 1}
                },
                "multipart/form-data": {"schema": _form()},
            },
        },
        "responses": {
            "202": {
                **_answer("The song waits.", "Song"),
                "links": {
                    name: {"operationId": name, "parameters": {"id": "$response.body#/id"}}
                    for name in ("getSong", "followSong", "getStems", "deleteSong")
                },
                "headers": {"Location": {"schema": {"type": "string"}, "required": True}},
            },
            **_errors(400, 403, 408, 413, 415, 503, 507),
        },
    }
    return {
        "/songs": {
            "post": {"operationId": "sendSong", **upload},
            "put": {"operationId": "putSong", **upload},
        },
        song: {
            "parameters": one,
            "get": {
                "operationId": "getSong",
                "summary": "What has become of a song so far.",
                "responses": {"200": _answer("The song.", "Song"), **_errors(403, 404)},
            },
            "delete": {
                "operationId": "deleteSong",
                "summary": "Cancel a song, or remove its stems.",
                "responses": {"204": {"description": "It is gone."}, **_errors(403, 404)},
            },
        },
        f"{song}/events": {
            "parameters": one,
            "get": {
                "operationId": "followSong",
                "summary": "Server-sent events: progress, a stem for each, then done, failed or cancelled.",
                "responses": {
                    "200": {
                        "description": "Events; each has the song or the stem as JSON.",
                        "content": {"text/event-stream": {"schema": {"$ref": "#/components/schemas/Event"}}},
                    },
                    **_errors(403, 404),
                },
            },
        },
        f"{song}/stems/{{name}}": {
            "parameters": [*one, {"$ref": "#/components/parameters/name"}],
            "get": {
                "operationId": "getStem",
                "summary": "A stem's file, or a part of it (Range).",
                "responses": {
                    "200": _file("The file.", "*/*"),
                    "206": _file("A part of it.", "*/*"),
                    "416": {"description": "There is no such part."},
                    **_errors(403, 404, 409),
                },
            },
        },
        f"{song}/stems.zip": {
            "parameters": one,
            "get": {
                "operationId": "getStems",
                "summary": "All stems of a song in one file.",
                "responses": {"200": _file("The file.", "application/zip"), **_errors(403, 404, 409)},
            },
        },
        "/limits": _simple("getLimits", "Model, limits and options.", "Limits"),
        "/health": _simple("getHealth", "Whether the service answers.", "Health"),
        "/ready": _simple("getReady", "Whether it takes songs; how many there are.", "Ready", 503),
    }


def _parameter(name: str, help: str, schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": help, "schema": dict(schema)}


def _form() -> dict[str, Any]:
    properties: dict[str, Any] = {"song": {"type": "string", "format": "binary", "minLength": 1}}
    properties |= {option.name: {**option.schema, "description": option.help} for option in OPTIONS}
    return {
        "type": "object",
        "description": "The song's part may have any name. Options may stand here or in the address.",
        "properties": properties,
        "required": ["song"],
        "additionalProperties": False,
    }


def _simple(operation: str, summary: str, schema: str, *errors: int) -> dict[str, Any]:
    return {
        "get": {
            "operationId": operation,
            "summary": summary,
            "responses": {"200": _answer("The answer.", schema), **_errors(403, *errors)},
        }
    }


def _answer(description: str, schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": description, "content": content}


def _file(description: str, kind: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {kind: {"schema": {"type": "string", "format": "binary"}}},
    }


_MEANINGS = {
    400: "An option or a form that makes no sense.",
    403: "Asked under another name than the service's own (Host), or by another site's page (Origin).",
    404: "There is no such song, or stem.",
    408: "The song came too slowly.",
    409: "The song has no stems (yet).",
    413: "The song is too large.",
    415: "The body is compressed.",
    503: "Too many songs wait, or the service is about to stop; Retry-After says when to try again.",
    507: "There is no room left on the server.",
}


def _errors(*codes: int) -> dict[str, Any]:
    return {str(code): _answer(_MEANINGS[code], "Error") for code in codes}


def _parameters() -> dict[str, Any]:
    def path(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
        return {"name": name, "in": "path", "required": True, "description": description, "schema": schema}

    return {
        "id": path("id", "As the answer to the upload says.", {"type": "string", "minLength": 1}),
        "name": path("name", "Of the file, as vocals.wav.", {"type": "string", "minLength": 1}),
    }


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _schemas() -> dict[str, Any]:
    text, number, count = {"type": "string"}, {"type": "number"}, {"type": "integer", "minimum": 0}
    error = _object(code=text, message=text)
    time = {"type": "string", "format": "date-time"}
    texts = {"type": "array", "items": text}

    def maybe(schema: dict[str, Any]) -> dict[str, Any]:
        return {"anyOf": [schema, _NULL]}

    return {
        "Error": _object(error=error),
        "Song": _object(
            id=text,
            state={"type": "string", "enum": [WAITING, WORKING, *OVER]},
            position={**maybe(count), "description": "How many songs come before it, while it waits."},
            progress={**maybe({"type": "number", "minimum": 0, "maximum": 1})},
            seconds={**maybe(number), "description": "Of sound, in all passes."},
            bytes=count,
            options={"type": "object", "description": "Those that were given."},
            stems={"type": "array", "items": _object(name=text, file=text, bytes=count, url=text)},
            warnings=texts,
            error=maybe(error),
            created=time,
            expires=maybe(time),
            url=text,
            events=text,
            zip=maybe(text),
        ),
        "Event": {
            **_object(event={"enum": ["progress", "stem", *OVER, "stopping"]}, data=text),
            "description": "Text as of server-sent events.",
        },
        "Limits": _object(
            version=text,
            stems=texts,
            sample_rate=count,
            most=_object(size=count, seconds=number, queue=count, disk=count, timeout=number, keep=number),
            jobs=count,
            options={"type": "object"},
        ),
        "Health": _object(status={"const": "ok"}),
        "Ready": _object(
            status={"const": "ready"},
            songs={"type": "object", "additionalProperties": count},
        ),
    }
