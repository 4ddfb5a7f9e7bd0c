// Zip archives without compression (sound hardly shrinks), of any size: beyond 4 GB in the form called zip64.

const tables = crcTables();

// The CRC-32 of some bytes that follow those of `crc`.
export function crc32(bytes, crc = 0) {
  const [t0, t1, t2, t3] = tables;
  let c = ~crc, i = 0;
  for (const end = bytes.length - 3; i < end; i += 4) {
    c ^= bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24);
    c = t3[c & 255] ^ t2[(c >>> 8) & 255] ^ t1[(c >>> 16) & 255] ^ t0[c >>> 24];
  }
  for (; i < bytes.length; i++) c = t0[(c ^ bytes[i]) & 255] ^ (c >>> 8);
  return ~c >>> 0;
}

function crcTables() {
  const all = Array.from({ length: 4 }, () => new Int32Array(256));
  for (let n = 0; n < 256; n++) {
    let c = n;
    for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
    all[0][n] = c;
  }
  for (let n = 0; n < 256; n++) {
    for (let k = 1; k < 4; k++) all[k][n] = (all[k - 1][n] >>> 8) ^ all[0][all[k - 1][n] & 255];
  }
  return all;
}

// The header before an entry's bytes. The size is below 4 GB; its length does not depend on `crc`.
export function localHeader({ name, size, crc = 0, date }) {
  const text = new TextEncoder().encode(name);
  return record(30 + text.length, (put) => {
    put(4, 0x04034b50);
    common(put, { size, crc, date, text });
    put(2, 0);
    put.bytes(text);
  });
}

// What ends the archive: a list of all entries { name, size, crc, date, offset }.
export function directory(entries, start) {
  const parts = entries.map(listed);
  const size = parts.reduce((sum, part) => sum + part.length, 0);
  const large = start + size > 0xfffffffe || entries.length > 0xfffe;
  if (large) parts.push(zip64End(entries.length, size, start));
  parts.push(record(22, (put) => {
    put(4, 0x06054b50);
    put(4, 0);
    put(2, Math.min(entries.length, 0xffff));
    put(2, Math.min(entries.length, 0xffff));
    put(4, large ? 0xffffffff : size);
    put(4, large ? 0xffffffff : start);
    put(2, 0);
  }));
  return parts;
}

function listed({ name, size, crc, date, offset }) {
  const text = new TextEncoder().encode(name), large = offset > 0xfffffffe;
  return record(46 + text.length + (large ? 12 : 0), (put) => {
    put(4, 0x02014b50);
    put(2, 45);
    common(put, { size, crc, date, text });
    put(2, large ? 12 : 0);
    put(2, 0); // no comment
    put(2, 0);
    put(2, 0);
    put(4, 0);
    put(4, large ? 0xffffffff : offset);
    put.bytes(text);
    if (large) {
      put(2, 1);
      put(2, 8);
      put(8, offset);
    }
  });
}

function zip64End(count, size, start) {
  return record(76, (put) => {
    put(4, 0x06064b50);
    put(8, 44);
    put(2, 45);
    put(2, 45);
    put(8, 0);
    put(8, count);
    put(8, count);
    put(8, size);
    put(8, start);
    put(4, 0x07064b50);
    put(4, 0);
    put(8, start + size);
    put(4, 1);
  });
}

// Version, flags (names in UTF-8), no compression, time, CRC, sizes, length of the name.
function common(put, { size, crc, date, text }) {
  put(2, 45);
  put(2, 0x0800);
  put(2, 0);
  put(2, (date.getHours() << 11) | (date.getMinutes() << 5) | (date.getSeconds() >> 1));
  put(2, (Math.max(date.getFullYear() - 1980, 0) << 9) | ((date.getMonth() + 1) << 5) | date.getDate());
  put(4, crc);
  put(4, size);
  put(4, size);
  put(2, text.length);
}

function record(length, fill) {
  const out = new Uint8Array(length), view = new DataView(out.buffer);
  let at = 0;
  const put = (bytes, value) => {
    if (bytes === 2) view.setUint16(at, value, true);
    else if (bytes === 4) view.setUint32(at, value, true);
    else view.setBigUint64(at, BigInt(value), true);
    at += bytes;
  };
  put.bytes = (bytes) => { out.set(bytes, at); at += bytes.length; };
  fill(put);
  return out;
}
