// One instance of the engine, and how it reads the model's file.

/** kind: 'model', 'argument', 'engine' or 'cancelled'. */
export class Failure extends Error {
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}

// How the engine reads the model's file: synchronously, piece by piece.
function readerOf(source) {
  if (source instanceof Uint8Array) return (offset, size) => source.subarray(offset, offset + size);
  const reader = new FileReaderSync();
  return (offset, size) => new Uint8Array(reader.readAsArrayBuffer(source.slice(offset, offset + size)));
}

export class Engine {
  constructor(module, source) {
    this.broken = null;
    this.read = readerOf(source);
    this.thrown = null;
    const missing = () => 8; // WASI's EBADF: there are no files
    const imports = {
      host: {
        read: (offset, out, size) => {
          const bytes = this.read(offset, size);
          if (bytes.length === size) this.bytes(out, size).set(bytes);
          return bytes.length === size ? 1 : 0;
        },
        fail: (kind, text) => {
          const all = new Uint8Array(this.exports.memory.buffer);
          throw new Failure(kind === 1 ? 'memory' : 'thrown', decode(all.subarray(text, all.indexOf(0, text))));
        },
      },
      wasi_snapshot_preview1: {
        clock_time_get: (clock, precision, out) => {
          const now = BigInt(Math.round(performance.now() * 1e6));
          new DataView(this.exports.memory.buffer).setBigUint64(out, now, true);
          return 0;
        },
        environ_get: () => 0,
        environ_sizes_get: (count, size) => {
          this.bytes(count, 4).fill(0);
          this.bytes(size, 4).fill(0);
          return 0;
        },
        fd_close: missing,
        fd_fdstat_get: missing,
        fd_read: missing,
        fd_seek: missing,
        fd_write: missing,
        proc_exit: (code) => {
          throw new Failure('thrown', `the engine stopped (${code})`);
        },
      },
    };
    this.exports = new WebAssembly.Instance(module, imports).exports;
    this.exports._initialize();
  }

  // Memory may grow in any call, and views of it end then: a new one each time.
  bytes(at, count) {
    return new Uint8Array(this.exports.memory.buffer, at, count);
  }
  floats(at, count) {
    return new Float32Array(this.exports.memory.buffer, at, count);
  }
  text() {
    return decode(this.bytes(this.exports.srt_text(), this.exports.srt_text_length()));
  }
  texts(count, name) {
    return Array.from({ length: count }, (_, i) => (name(i), this.text()));
  }

  // A call into the engine. Nothing is unwound when it throws or traps: it cannot be used again then. kind: of
  // failures that are not the engine's.
  call(kind, work) {
    if (this.broken) throw new Failure('engine', this.broken);
    try {
      return work(this.exports);
    } catch (error) {
      if (error instanceof Failure && error.kind !== 'memory' && error.kind !== 'thrown') throw error;
      const trap = error instanceof WebAssembly.RuntimeError; // "memory access out of bounds", say
      const out = error.kind === 'memory' || (!trap && /memory/i.test(error.message));
      const what = out ? 'not enough memory' : error.message;
      this.broken = `${what}; the separator has to be loaded again`;
      throw error.kind === 'thrown' ? new Failure(kind, what) : new Failure('engine', this.broken);
    }
  }
  // The same of a function that returns the length of a problem in words.
  check(kind, work) {
    this.call(kind, (x) => {
      if (work(x)) throw new Failure(kind, this.text());
    });
  }
  withText(text, work) {
    const bytes = new TextEncoder().encode(`${text}\0`);
    const at = this.exports.srt_alloc(bytes.length);
    this.bytes(at, bytes.length).set(bytes);
    const result = work(at);
    this.exports.srt_free(at);
    return result;
  }
}

function decode(bytes) {
  return new TextDecoder().decode(bytes.slice());
}
