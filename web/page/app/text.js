// Times, sizes and names for people.

// 83.4 -> "1:23"; with tenths "1:23.4".
export function clock(seconds, tenths = false) {
  const whole = tenths ? Math.floor(seconds * 10 + 1e-6) / 10 : Math.floor(seconds + 1e-6);
  const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60, rest = whole % 60;
  const last = (tenths ? rest.toFixed(1) : String(rest)).padStart(tenths ? 4 : 2, '0');
  return hours ? `${hours}:${String(minutes).padStart(2, '0')}:${last}` : `${minutes}:${last}`;
}

// 83.4 -> "1 minute 23 seconds", for screen readers.
export function spoken(seconds) {
  const whole = Math.round(seconds);
  const parts = [[Math.floor(whole / 3600), 'hour'], [Math.floor(whole / 60) % 60, 'minute'], [whole % 60, 'second']];
  const said = parts.filter(([n, unit]) => n || (unit === 'second' && whole < 60));
  return said.map(([n, unit]) => `${n} ${unit}${n === 1 ? '' : 's'}`).join(' ');
}

// 8.2 -> "8 s left"; nothing while there is no estimate.
export function timeLeft(seconds) {
  if (!Number.isFinite(seconds)) return '';
  if (seconds < 1) return 'a moment left';
  if (seconds < 90) return `${Math.ceil(seconds)} s left`;
  return `${Math.round(seconds / 60)} min left`;
}

export function megabytes(bytes) {
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

export function decibels(gain) {
  if (gain <= 0) return '−∞ dB';
  const value = 20 * Math.log10(gain);
  return `${value > 0.05 ? '+' : value < -0.05 ? '−' : ''}${Math.abs(value).toFixed(1)} dB`;
}

export const capital = (word) => word.charAt(0).toUpperCase() + word.slice(1);

// "My Song.flac" -> "My Song"; what file systems refuse becomes "_".
export const stemOf = (fileName) => fileName.replace(/\.[^.]{1,8}$/, '') || fileName;
export const safe = (name) => name.replace(/[\\/:*?"<>|\u0000-\u001f]/g, '_').slice(0, 120) || 'song';
