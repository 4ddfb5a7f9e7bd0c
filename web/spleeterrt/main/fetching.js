// The model and the modules, from wherever callers have them.
import { ArgumentError, ModelError, UnsupportedError, bytesOf, describe, inNode, isBytes, node } from './common.js';

// A file of node, which fetch does not know; null: something else.
async function nodeFile(address) {
  if (!inNode || /^(https?|data|blob):/.test(String(address))) return null;
  const { readFile } = await node('fs/promises');
  return readFile(String(address).startsWith('file:') ? new URL(address) : address);
}

async function respond(address, signal) {
  let response;
  try {
    response = await fetch(address, { signal });
  } catch (cause) {
    signal?.throwIfAborted();
    throw new ModelError(`${address}: cannot be fetched (${cause.message})`, { cause });
  }
  return response;
}

async function readAll(response, { onProgress, signal }) {
  if (!response.ok) throw new ModelError(`${response.url}: HTTP ${response.status} ${response.statusText}`.trim());
  const length = response.headers.get('content-length');
  // Compressed on its way, the length is another one.
  const total = length === null || response.headers.has('content-encoding') ? undefined : Number(length);
  const parts = [];
  let loaded = 0;
  if (response.body) {
    const reader = response.body.getReader();
    try {
      for (let part; !(part = await reader.read()).done; ) {
        signal?.throwIfAborted();
        parts.push(part.value);
        loaded += part.value.byteLength;
        onProgress?.({ loaded, total });
      }
    } catch (cause) {
      signal?.throwIfAborted();
      reader.cancel().catch(() => {});
      throw new ModelError(`${response.url}: broke off after ${loaded} bytes (${cause.message})`, { cause });
    }
  }
  return new Blob(parts);
}

// The model as workers get it: a Blob, which they read piece by piece; in node shared bytes.
export async function modelSource(model, options) {
  let name = 'model';
  let bytes = null;
  let blob = null;
  if (typeof model === 'string' || model instanceof URL) {
    name = String(model);
    try {
      bytes = await nodeFile(model);
    } catch (cause) {
      throw new ModelError(`${name}: ${cause.message}`, { cause });
    }
    if (!bytes) blob = await readAll(await respond(model, options.signal), options);
  } else if (typeof Response === 'function' && model instanceof Response) {
    name = model.url || name;
    blob = await readAll(model, options);
  } else if (model instanceof Blob) {
    name = model.name ?? name;
    blob = model;
  } else if (isBytes(model)) {
    bytes = bytesOf(model);
  } else {
    throw new ArgumentError(`model: expected an address, bytes, a Blob or a Response, got ${describe(model)}`);
  }
  if (!inNode) return { name, source: blob ?? new Blob([bytes]) };
  bytes ??= new Uint8Array(await blob.arrayBuffer());
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  return { name, source: shared };
}

export async function compile(source, signal) {
  if (source instanceof WebAssembly.Module) return source;
  if (isBytes(source)) return WebAssembly.compile(source);
  const file = await nodeFile(source);
  if (file) return WebAssembly.compile(file);
  const response = await respond(source, signal);
  if (!response.ok) throw new UnsupportedError(`${response.url || source}: HTTP ${response.status}`);
  // Whatever type the server says it has.
  return WebAssembly.compile(await response.arrayBuffer());
}
