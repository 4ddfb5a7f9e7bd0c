// What a browser's processes take.
import fs from 'node:fs';

// Proportional set sizes, in MB, by kind of process: pages that several share count once. profile: the browser's folder, which is
// in its command line.
export function memory(profile) {
  const sizes = {};
  for (const pid of fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const line = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      if (!line.includes('chromium') || !(line.includes(profile) || ancestors(pid).some((parent) => parent.includes(profile)))) continue;
      const kind = /--type=([\w-]+)/.exec(line)?.[1] ?? 'browser';
      const pss = Number(/^Pss:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))[1]) / 1000;
      sizes[kind] = (sizes[kind] ?? 0) + pss;
    } catch { /* it has ended */ }
  }
  return sizes;
}

function ancestors(pid) {
  const lines = [];
  for (let at = pid; at > 1; at = Number(/^PPid:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${at}/status`, 'utf8'))[1])) {
    lines.push(fs.readFileSync(`/proc/${at}/cmdline`, 'utf8'));
  }
  return lines;
}
