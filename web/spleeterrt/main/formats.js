// What a file is, by how it begins, and whether browsers decode it.

// Name; test of its first bytes, also as text; whether browsers decode it (null: it holds no sound).
const formats = [
  ['AIFF', (t) => t.startsWith('FORM') && /^AIF[FC]/.test(t.slice(8)), false],
  ['WMA', (t, b) => b[0] === 0x30 && b[1] === 0x26 && b[2] === 0xb2 && b[3] === 0x75, false],
  ['WAV', (t) => /^RI(FF|FX)/.test(t) && t.slice(8, 12) === 'WAVE', true],
  ['Wave64 or RF64', (t) => /^(riff|RF64|BW64)/.test(t), false],
  ['FLAC', (t) => t.startsWith('fLaC'), true],
  ['Ogg', (t) => t.startsWith('OggS'), true],
  ['MP4', (t) => t.slice(4, 8) === 'ftyp', true],
  ['Matroska or WebM', (t, b) => b[0] === 0x1a && b[1] === 0x45 && b[2] === 0xdf && b[3] === 0xa3, true],
  ['CAF', (t) => t.startsWith('caff'), false],
  ['AU', (t) => t.startsWith('.snd'), false],
  ['WavPack', (t) => t.startsWith('wvpk'), false],
  ["Monkey's Audio", (t) => t.startsWith('MAC '), false],
  ['DSD', (t) => t.startsWith('DSD ') || t.startsWith('FRM8'), false],
  ['MIDI', (t) => t.startsWith('MThd'), null],
  ['zip', (t) => t.startsWith('PK\x03\x04'), null],
  ['PDF', (t) => t.startsWith('%PDF'), null],
  ['PNG', (t) => t.startsWith('\x89PNG'), null],
  ['GIF', (t) => t.startsWith('GIF8'), null],
  ['JPEG', (t, b) => b[0] === 0xff && b[1] === 0xd8, null],
  ['ELF', (t) => t.startsWith('\x7fELF'), null],
  ['HTML', (t) => /^\s*<(!doctype|html)/i.test(t), null],
  ['MP3', (t, b) => t.startsWith('ID3') || (b[0] === 0xff && (b[1] & 0xe0) === 0xe0), true],
];

export async function identify(file) {
  const bytes = new Uint8Array(await new Blob([file]).slice(0, 64).arrayBuffer());
  const text = String.fromCharCode(...bytes);
  const [name, , decodable] = formats.find(([, matches]) => matches(text, bytes)) ?? [];
  return name ? { name, sound: decodable !== null, decodable: decodable === true } : null;
}
