// Where stems are kept while the page is open: in the browser's private file system (OPFS), so that an hour of music
// needs no memory; where there is none (file://, plain http), in Blobs, which browsers may move to disk themselves.

const ROOT = 'spleeterrt';
const FLOAT = 4;

// { track(name), output(name), discard(name), remove(folder) }: all names are 'folder/file'. A track's samples are read
// into an array of the caller's, if it gives one of that length.
export async function openDisk(session) {
  try {
    const root = await (await navigator.storage.getDirectory()).getDirectoryHandle(ROOT, { create: true });
    await sweep(root, session);
    const folder = await root.getDirectoryHandle(session, { create: true });
    await probe(folder);
    return new FileDisk(folder);
  } catch {
    return new BlobDisk();
  }
}

// What pages left that are closed by now: each open page holds a lock with the name of its session.
async function sweep(root, session) {
  const { held } = await navigator.locks.query();
  const open = new Set([session, ...held.map((lock) => lock.name)]);
  for await (const name of root.keys()) {
    if (!open.has(name)) await root.removeEntry(name, { recursive: true }).catch(() => {});
  }
}

async function probe(folder) {
  const handle = await (await folder.getFileHandle('probe', { create: true })).createSyncAccessHandle();
  handle.write(new Uint8Array(1), { at: 0 });
  handle.close();
  await folder.removeEntry('probe');
}

class FileDisk {
  #session;
  #open = new Map(); // path -> access handle

  constructor(session) {
    this.#session = session;
  }

  async #create(path) {
    const [folder, file] = path.split('/');
    const place = await this.#session.getDirectoryHandle(folder, { create: true });
    const entry = await place.getFileHandle(file, { create: true });
    const access = await entry.createSyncAccessHandle();
    access.truncate(0);
    this.#open.set(path, access);
    return { entry, access };
  }

  async track(path) {
    const { access } = await this.#create(path);
    let size = 0;
    return {
      append(samples) {
        size += written(access, samples, size);
      },
      async read(start, count, samples = new Float32Array(count)) {
        const bytes = access.read(samples, { at: start * FLOAT });
        return samples.fill(0, bytes / FLOAT);
      },
    };
  }

  async output(path) {
    const { entry, access } = await this.#create(path);
    let size = 0;
    return {
      write(bytes) {
        const at = size;
        size += written(access, bytes, at);
        return at;
      },
      patch(at, bytes) {
        written(access, bytes, at);
      },
      get size() {
        return size;
      },
      finish: async () => {
        access.flush();
        access.close();
        this.#open.delete(path);
        return entry.getFile();
      },
    };
  }

  async discard(path) {
    const [folder, file] = path.split('/');
    await (await this.#session.getDirectoryHandle(folder)).removeEntry(file);
  }

  async remove(folder) {
    for (const [path, access] of this.#open) {
      if (!path.startsWith(`${folder}/`)) continue;
      access.close();
      this.#open.delete(path);
    }
    await this.#session.removeEntry(folder, { recursive: true }).catch(() => {});
  }
}

function written(access, data, at) {
  const bytes = access.write(data, { at });
  if (bytes < data.byteLength) throw new DOMException('The disk is full.', 'QuotaExceededError');
  return bytes;
}

class BlobDisk {
  async track() {
    const chunks = []; // { start, count, blob }
    let length = 0;
    return {
      append(samples) {
        chunks.push({ start: length, count: samples.length, blob: new Blob([samples]) });
        length += samples.length;
      },
      async read(start, count, samples = new Float32Array(count)) {
        const end = start + count;
        samples.fill(0);
        for (const chunk of chunks) {
          const from = Math.max(start, chunk.start), to = Math.min(end, chunk.start + chunk.count);
          if (from >= to) continue;
          const part = chunk.blob.slice((from - chunk.start) * FLOAT, (to - chunk.start) * FLOAT);
          samples.set(new Float32Array(await part.arrayBuffer()), from - start);
        }
        return samples;
      },
    };
  }

  async output() {
    const parts = [], index = new Map(); // where a part begins -> which it is
    let size = 0;
    return {
      write(bytes) {
        const at = size;
        index.set(at, parts.length);
        parts.push(bytes.length < 4096 ? bytes.slice() : new Blob([bytes])); // short ones may be patched
        size += bytes.length;
        return at;
      },
      patch(at, bytes) {
        parts[index.get(at)] = bytes;
      },
      get size() {
        return size;
      },
      finish: async () => new Blob(parts),
    };
  }

  async discard() {}

  async remove() {}
}
