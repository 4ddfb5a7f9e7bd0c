// Music source separation in the browser: load a model, separate songs, separate live sound. What everything is for
// says spleeterrt.d.ts. The work is done in workers (spleeterrt-worker.js); they talk over ports, in node as well.

export class SpleeterrtError extends Error {
  constructor(message, options) {
    super(message, options);
    this.name = this.constructor.name;
  }
}
export class ModelError extends SpleeterrtError {}
export class ArgumentError extends SpleeterrtError {}
export class UnsupportedError extends SpleeterrtError {}
export class DecodeError extends SpleeterrtError {}
export class EngineError extends SpleeterrtError {}

const inNode = typeof process === 'object' && !!process.versions?.node && typeof document === 'undefined';
const node = (name) => import(/* @vite-ignore */ /* webpackIgnore: true */ `node:${name}`);
const describe = (value) => (typeof value === 'string' ? `'${value}'` : String(value));

// --- what this JavaScript engine has ---------------------------------------------------------------

// A function of vectors with the instructions `code`.
function validates(code) {
  const body = [0, ...code, 11];
  const three = [0x60, 3, 0x7b, 0x7b, 0x7b, 1, 0x7b];
  return WebAssembly.validate(
    new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, three.length + 1, 1, ...three, 3, 2, 1, 0, 10, body.length + 2,
      1, body.length, ...body]),
  );
}
const wasm = typeof WebAssembly === 'object';
export const supported = Object.freeze({
  simd: wasm && validates([32, 0, 32, 1, 0xfd, 0xe4, 1]), // f32x4.add
  relaxed: wasm && validates([32, 0, 32, 1, 32, 2, 0xfd, 0x85, 2]), // f32x4.relaxed_madd
});

// --- fetching --------------------------------------------------------------------------------------

const isBytes = (value) => value instanceof ArrayBuffer || ArrayBuffer.isView(value);
const bytesOf = (value) =>
  value instanceof ArrayBuffer ? new Uint8Array(value) : new Uint8Array(value.buffer, value.byteOffset, value.byteLength);

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
async function modelSource(model, options) {
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

async function compile(source, signal) {
  if (source instanceof WebAssembly.Module) return source;
  if (isBytes(source)) return WebAssembly.compile(source);
  const file = await nodeFile(source);
  if (file) return WebAssembly.compile(file);
  const response = await respond(source, signal);
  if (!response.ok) throw new UnsupportedError(`${response.url || source}: HTTP ${response.status}`);
  // Whatever type the server says it has.
  return WebAssembly.compile(await response.arrayBuffer());
}

// --- workers ---------------------------------------------------------------------------------------

const kinds = { model: ModelError, argument: ArgumentError, engine: EngineError };

// A worker and the calls to it.
class Remote {
  // The module goes by the worker's own channel: on pages of file:// a port refuses it.
  static async make(createWorker, module) {
    const remote = new Remote();
    const { port1, port2 } = new MessageChannel();
    if (createWorker) {
      remote.worker = createWorker();
    } else if (inNode) {
      const { Worker: Thread } = await node('worker_threads');
      // Not as below: bundlers would take it for a second file.
      remote.worker = new Thread(new URL(import.meta.url.replace(/[^/]*$/, 'spleeterrt-worker.js')));
    } else {
      remote.worker = new Worker(new URL('./spleeterrt-worker.js', import.meta.url), { type: 'module' });
    }
    const failed = (event) => remote.fail(new EngineError(`the worker failed: ${event.message || 'it cannot be loaded'}`));
    if (inNode) remote.worker.on('error', failed);
    else remote.worker.onerror = failed;
    remote.worker.postMessage({ port: port2, module }, [port2]);
    port1.onmessage = ({ data }) => remote.answered(data);
    remote.port = port1;
    return remote;
  }

  waiting = new Map();
  last = 0;
  failure = null;
  whenFailed = null;

  call(call, args, { transfer = [], progress } = {}) {
    if (this.failure) return Promise.reject(this.failure);
    const id = ++this.last;
    this.port.postMessage({ id, call, args }, transfer);
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject, progress }));
  }
  tell(call, args, transfer = []) {
    if (!this.failure) this.port.postMessage({ call, args }, transfer);
  }
  answered({ id, result, error, progress }) {
    const waiting = this.waiting.get(id);
    if (!waiting) return;
    if (progress !== undefined) {
      waiting.progress?.(progress);
      return;
    }
    this.waiting.delete(id);
    if (error) waiting.reject(new (kinds[error.kind] ?? EngineError)(error.message));
    else waiting.resolve(result);
  }
  fail(failure) {
    if (this.failure) return;
    this.failure = failure;
    for (const { reject } of this.waiting.values()) reject(this.failure);
    this.waiting.clear();
    this.whenFailed?.(failure);
  }
  close() {
    this.fail(new EngineError('the separator was closed'));
    this.port.close();
    this.worker.terminate();
  }
}

async function cores() {
  return globalThis.navigator?.hardwareConcurrency ?? (inNode ? (await node('os')).availableParallelism() : 1);
}

// Networks in groups, one per worker.
function groups(networks, workers) {
  const made = [];
  for (let left = workers, first = 0; left > 0; left--) {
    const count = Math.floor((networks.length - first) / left);
    made.push(networks.slice(first, first + count));
    first += count;
  }
  return made;
}

// --- signals ---------------------------------------------------------------------------------------

const isChannels = (value) =>
  Array.isArray(value) && value.length === 2 && value.every((channel) => channel instanceof Float32Array);
const isAudioBuffer = (value) => typeof value?.getChannelData === 'function';

function checkChannels(channels) {
  if (!isChannels(channels))
    throw new ArgumentError(`signal: expected [left, right], two Float32Array, got ${describe(channels)}`);
  if (channels[0].length !== channels[1].length)
    throw new ArgumentError(
      `signal: expected channels of one length, got ${channels[0].length} and ${channels[1].length} samples`,
    );
  return channels;
}

// Any signal as pieces of two channels; `total`: its samples, where known; `again`: whether it can come twice.
function piecesOf(signal, sampleRate) {
  if (isAudioBuffer(signal)) {
    if (signal.sampleRate !== sampleRate)
      throw new ArgumentError(
        `signal: expected an AudioBuffer of ${sampleRate} Hz, got one of ${signal.sampleRate} Hz; decode(file) makes one`,
      );
    const right = Math.min(1, signal.numberOfChannels - 1);
    return piecesOf([signal.getChannelData(0), signal.getChannelData(right)], sampleRate);
  }
  if (isChannels(signal)) return { pieces: [checkChannels(signal)], total: signal[0].length, again: true };
  const iterator = signal?.[Symbol.asyncIterator] ?? signal?.[Symbol.iterator];
  if (typeof iterator !== 'function' || typeof signal === 'string' || isBytes(signal))
    throw new ArgumentError(`signal: expected [left, right], an AudioBuffer or pieces, got ${describe(signal)}`);
  const total = Array.isArray(signal)
    ? signal.reduce((sum, piece) => sum + checkChannels(piece)[0].length, 0)
    : undefined;
  return { pieces: signal, total, again: Array.isArray(signal) };
}

// What comes next of the pieces, in portions of at most `most` samples.
async function* portions(pieces, most) {
  for await (const piece of pieces) {
    const [left, right] = checkChannels(piece);
    for (let first = 0; first < left.length; first += most)
      yield [left.slice(first, first + most), right.slice(first, first + most)];
  }
}

// A promise that rejects when the signal is aborted, or by now(reason).
function stopping(signal) {
  let now;
  const promise = new Promise((_, reject) => (now = reject));
  promise.catch(() => {});
  const abort = () => now(signal.reason);
  signal?.addEventListener('abort', abort);
  return { promise, now, end: () => signal?.removeEventListener('abort', abort) };
}

// --- separation ------------------------------------------------------------------------------------

const portion = 1 << 17;
const flagNames = ['residual', 'fullBand', 'wiener'];
const modes = ['ratio', 'direct', 'residual', 'three'];

function checkNames(stems, mode) {
  if (mode !== undefined && !modes.includes(mode))
    throw new ArgumentError(`mode: expected one of ${modes.join(', ')}, got ${describe(mode)}`);
  if (stems !== undefined && (!Array.isArray(stems) || !stems.length || !stems.every((s) => typeof s === 'string')))
    throw new ArgumentError(`stems: expected names of stems, got ${describe(stems)}`);
  return { mode: mode ?? 'ratio', stems: (stems ?? []).join(',') };
}

class ModelSeparator {
  #made; // what its workers and those of streams are made of
  #workers;
  #names; // of the file's networks
  #homes; // the worker of each network that is loaded
  #chosen; // stems, where not all networks were
  #closed = false;
  #busy = Promise.resolve();
  #streams = new Set();

  constructor(made, workers, info, loaded) {
    this.#made = made;
    this.#workers = workers;
    this.#names = info.networks;
    this.#homes = new Map();
    // One worker does everything; of several the first one makes the sound, and the others run the networks.
    const first = workers.length - loaded.length;
    loaded.forEach((group, i) => group.forEach((network) => this.#homes.set(network, first + i)));
    this.sampleRate = info.sampleRate;
    this.stems = Object.freeze([...info.stems]);
    this.#chosen = info.chosen ? this.stems : undefined;
    // They need each other: without one of them some calls would never be answered.
    for (const worker of workers) worker.whenFailed = (failure) => workers.forEach((other) => other.fail(failure));
    this.threads = loaded.length;
    this.build = made.build;
  }

  async *separate(signal, options = {}) {
    const { signal: abort, onProgress } = options;
    const request = this.#named(options);
    request.flags = flagNames.reduce((flags, name, i) => flags | (options[name] ? 1 << i : 0), 0);
    const { pieces, total, again } = piecesOf(signal, this.sampleRate);
    if (options.wiener && !again)
      throw new ArgumentError('wiener: the filter hears the signal twice: give [left, right], or an array of pieces');
    abort?.throwIfAborted();

    // One after the other.
    const before = this.#busy;
    let release;
    this.#busy = new Promise((resolve) => (release = resolve));
    const stop = stopping(abort);
    try {
      await Promise.race([before, stop.promise]);
    } catch (error) {
      stop.end();
      before.then(release);
      throw error;
    }
    const [main] = this.#workers;
    const cancel = () => main.tell('cancel');
    abort?.addEventListener('abort', cancel);
    try {
      const plan = await main.call('plan', request);
      await this.#home(plan.networks);
      const owners = plan.networks.map((network) => [network, this.#homes.get(network) - 1]);
      const { flags } = request;
      await main.call('begin', { flags, cascade: plan.cascade, owners: owners.filter(([, peer]) => peer >= 0) });
      abort?.throwIfAborted(); // before it there was nothing to cancel
      yield* this.#blocks({ main, pieces, total, plan, stop, onProgress, passes: options.wiener ? 2 : 1 });
    } catch (error) {
      abort?.throwIfAborted();
      throw error;
    } finally {
      abort?.removeEventListener('abort', cancel);
      stop.end();
      await main.call('cancel').catch(() => {});
      await main.call('end').catch(() => {});
      release();
    }
  }

  // Mode and stems as the engine takes them.
  #named({ mode, stems }) {
    const hasOwn = mode === 'residual' || mode === 'three';
    return checkNames(stems ?? (hasOwn ? undefined : this.#chosen), mode);
  }

  // Networks that nobody wanted so far are loaded by the worker that has the fewest.
  async #home(networks) {
    for (const network of networks) {
      if (this.#homes.has(network)) continue;
      const counts = this.#workers.map((_, worker) => [...this.#homes.values()].filter((home) => home === worker).length);
      if (counts.length > 1) counts[0] = Infinity;
      const worker = counts.indexOf(Math.min(...counts));
      await this.#workers[worker].call('load', { networks: [network] });
      this.#homes.set(network, worker);
    }
  }

  async *#blocks({ main, pieces, total, plan, stop, onProgress, passes }) {
    const runs = total === undefined ? undefined : passes * plan.networks.length * this.#segments(total);
    let samples = 0;
    const tell = (networks) =>
      onProgress?.({ fraction: runs ? Math.min(1, networks / runs) : runs, samples, total });
    const progress = ({ networks }) => tell(networks);
    const { feed, leave } = this.#feeder(main, pieces, stop, progress);
    // The next block is made while the caller has this one.
    let next = feed();
    next.catch(() => {});
    try {
      for (let made; (made = await next); ) {
        next = feed();
        next.catch(() => {});
        const length = made[0][0].length;
        const stems = Object.fromEntries(plan.stems.map((stem, i) => [stem, made[i]]));
        const start = samples;
        samples += length;
        yield { start, length, stems };
      }
      onProgress?.({ fraction: 1, samples, total: samples });
    } finally {
      main.tell('cancel');
      stop.now(new EngineError('the separation was left'));
      leave();
      await next.catch(() => {});
    }
  }

  #segments(samples) {
    const { frameLength, frameStep, frames } = this.#made.shape;
    return samples ? Math.ceil(Math.ceil((samples + frameLength) / frameStep) / frames) : 0;
  }

  // feed(): the next block, or null; it hands the worker what it wants meanwhile. leave(): no more pieces are wanted.
  #feeder(main, pieces, stop, progress) {
    let source = portions(pieces, portion);
    const leave = () => void source.return().catch(() => {});
    const feed = async () => {
      for (let args = {}; ; ) {
        const transfer = args.left ? [args.left.buffer, args.right.buffer] : [];
        const reply = await main.call('next', args, { transfer, progress });
        if (reply.block) return reply.block;
        if (reply.wants === 'nothing') {
          this.#made.times = reply.times;
          return null;
        }
        args = {};
        if (reply.wants === 'again') {
          source = portions(pieces, portion);
          args.again = true;
          continue;
        }
        // Pieces may never come: whoever stops does not wait for them.
        const { value } = await Promise.race([source.next(), stop.promise]);
        if (value) [args.left, args.right] = value;
        else args.finish = true;
      }
    };
    return { feed, leave };
  }

  async openStream(options = {}) {
    const remote = await openWorker(this.#made);
    try {
      if (this.#closed) throw new EngineError('the separator was closed');
      const numbers = streamNumbers(options);
      numbers.sample_rate ??= this.sampleRate;
      const opened = await remote.call('openStream', { numbers, ...this.#named(options) });
      const stream = new WorkerStream(remote, opened, numbers.sample_rate, () => this.#streams.delete(stream));
      this.#streams.add(stream);
      return stream;
    } catch (error) {
      remote.close();
      throw error;
    }
  }

  async openLive(context, options = {}) {
    if (!context?.audioWorklet)
      throw new UnsupportedError('this browser has no AudioWorklet here (pages need https, or localhost)');
    const reserve = options.reserve ?? 0.1;
    if (!(reserve >= 0 && reserve <= 10)) throw new ArgumentError(`reserve: expected 0 to 10 s, got ${reserve}`);
    await context.audioWorklet.addModule(options.worklet ?? new URL('./spleeterrt-worklet.js', import.meta.url));
    const stream = await this.openStream({ ...options, sampleRate: context.sampleRate });
    try {
      return new NodeStream(context, stream, Math.round(reserve * context.sampleRate));
    } catch (error) {
      stream.close();
      throw error;
    }
  }

  async memory() {
    return Promise.all(this.#workers.map((worker) => worker.call('memory')));
  }

  // For measurements: where the time of the last separation went, in milliseconds.
  get times() {
    return this.#made.times;
  }

  close() {
    this.#closed = true;
    for (const worker of this.#workers) worker.close();
    for (const stream of this.#streams) stream.close();
  }
}
if (Symbol.dispose) ModelSeparator.prototype[Symbol.dispose] = ModelSeparator.prototype.close;

// --- live sound ------------------------------------------------------------------------------------

const streamNames = { frames: 'frames', hopFrames: 'hop_frames', lookahead: 'lookahead', crossfade: 'crossfade',
  window: 'window', budget: 'budget', sampleRate: 'sample_rate' };
const streamFlags = { hold: 'hold', residual: 'residual', fullBand: 'full_band', realtime: 'realtime' };

function streamNumbers(options) {
  const numbers = {};
  for (const [name, engineName] of Object.entries(streamNames)) {
    const value = options[name];
    if (value === undefined) continue;
    if (!Number.isInteger(value) || Math.abs(value) > 2 ** 31 - 1)
      throw new ArgumentError(`${name}: expected an integer, got ${describe(value)}`);
    numbers[engineName] = value;
  }
  for (const [name, engineName] of Object.entries(streamFlags))
    if (options[name] !== undefined) numbers[engineName] = options[name] ? 1 : 0;
  return numbers;
}

class WorkerStream {
  constructor(remote, { stems, latency }, sampleRate, closed) {
    this.remote = remote;
    this.closed = closed;
    this.stems = Object.freeze(stems);
    this.latency = latency;
    this.sampleRate = sampleRate;
  }
  async process(left, right) {
    const [l, r] = checkChannels([left, right]).map((channel) => channel.slice());
    return this.remote.call('process', { left: l, right: r }, { transfer: [l.buffer, r.buffer] });
  }
  flush() {
    return this.remote.call('flush');
  }
  reset() {
    return this.remote.call('reset');
  }
  stats() {
    return this.remote.call('stats');
  }
  close() {
    this.remote.close();
    this.closed();
  }
}

const liveBlock = 512; // samples that go to the worker at once

class NodeStream {
  #stream;
  #missed = 0;

  constructor(context, stream, reserve) {
    this.#stream = stream;
    this.stems = stream.stems;
    this.latency = (stream.latency + reserve + liveBlock) / context.sampleRate;
    this.node = new AudioWorkletNode(context, 'spleeterrt', {
      numberOfInputs: 1,
      numberOfOutputs: stream.stems.length,
      outputChannelCount: stream.stems.map(() => 2),
      channelCount: 2,
      channelCountMode: 'explicit',
      processorOptions: { stems: stream.stems.length, reserve, block: liveBlock },
    });
    const { port1, port2 } = new MessageChannel();
    stream.remote.tell('live', { port: port1 }, [port1]);
    this.node.port.postMessage({ port: port2 }, [port2]);
    this.node.port.onmessage = ({ data }) => (this.#missed = data.missed);
  }
  async stats() {
    return { ...(await this.#stream.stats()), missed: this.#missed };
  }
  close() {
    this.node.port.postMessage({ end: true });
    this.node.disconnect();
    this.#stream.close();
  }
}

// --- loading ---------------------------------------------------------------------------------------

async function openWorker(made) {
  const remote = await Remote.make(made.createWorker, made.module);
  try {
    const { source, lowMemory } = made;
    made.info = await remote.call('open', { source, lowMemory });
    return remote;
  } catch (error) {
    remote.close();
    throw named(error, made.name);
  }
}

// All of them or none.
async function openWorkers(made, count) {
  const opened = await Promise.allSettled(Array.from({ length: count }, () => openWorker(made)));
  const failed = opened.find(({ status }) => status === 'rejected');
  if (!failed) return opened.map(({ value }) => value);
  for (const { value } of opened) value?.close();
  throw failed.reason;
}

// Problems of a model, by the model's name.
function named(error, name) {
  return error instanceof ModelError ? new ModelError(`${name}: ${error.message}`, { cause: error }) : error;
}

function chooseBuild(options) {
  if (!supported.simd)
    throw new UnsupportedError('this browser has no WebAssembly SIMD: Chrome 91, Firefox 89, Safari 16.4 or newer have');
  const build = options.build ?? (supported.relaxed ? 'relaxed' : 'plain');
  if (build !== 'plain' && build !== 'relaxed')
    throw new ArgumentError(`build: expected 'plain' or 'relaxed', got ${describe(build)}`);
  if (build === 'relaxed' && !supported.relaxed)
    throw new UnsupportedError("build: this browser has no relaxed SIMD; 'plain' runs here");
  return build;
}

export async function load(model, options = {}) {
  const { signal, threads } = options;
  signal?.throwIfAborted();
  if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1))
    throw new ArgumentError(`threads: expected an integer of at least 1, got ${describe(threads)}`);
  const build = chooseBuild(options);
  const beside = build === 'plain' ? './spleeterrt.wasm' : './spleeterrt-relaxed.wasm';
  const where = options.wasm?.[build] ?? (build === 'plain'
    ? new URL('./spleeterrt.wasm', import.meta.url)
    : new URL('./spleeterrt-relaxed.wasm', import.meta.url));
  const [module, found] = await Promise.all([
    compile(where, signal).catch((cause) => {
      signal?.throwIfAborted();
      if (cause instanceof UnsupportedError) throw cause;
      throw new UnsupportedError(`${beside}: cannot be loaded (${cause.message})`, { cause });
    }),
    modelSource(model, options),
  ]);
  signal?.throwIfAborted();
  const made = { ...found, module, build, lowMemory: !!options.lowMemory, createWorker: options.createWorker };
  const workers = [await openWorker(made)];
  const abort = () => workers.forEach((worker) => worker.close());
  signal?.addEventListener('abort', abort);
  try {
    signal?.throwIfAborted();
    const { networks, usual, shape } = made.info;
    made.shape = shape;
    const wanted = wantedNetworks(options.networks, networks, usual);
    const count = Math.min(threads ?? (await cores()), wanted.length);
    const shares = groups(wanted, count);
    if (count > 1) workers.push(...(await openWorkers(made, count)));
    const first = workers.length - count;
    await Promise.all(shares.map((share, i) => workers[first + i].call('load', { networks: share })));
    for (const worker of workers.slice(1)) {
      const { port1, port2 } = new MessageChannel();
      workers[0].tell('reach', { port: port1 }, [port1]);
      worker.tell('answer', { port: port2 }, [port2]);
    }
    signal?.throwIfAborted();
    const stems = networks.filter((_, i) => wanted.includes(i));
    return new ModelSeparator(made, workers, { ...made.info, stems, chosen: options.networks !== undefined }, shares);
  } catch (error) {
    abort();
    signal?.throwIfAborted();
    throw named(error, made.name);
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

function wantedNetworks(names, networks, usual) {
  if (names === undefined) return networks.flatMap((_, i) => (usual[i] ? [i] : []));
  const missing = Array.isArray(names) && names.length ? names.find((name) => !networks.includes(name)) : names;
  if (missing !== undefined)
    throw new ArgumentError(`networks: expected some of ${networks.join(', ')}, got ${describe(missing)}`);
  return networks.flatMap((name, i) => (names.includes(name) ? [i] : []));
}

// --- decoding --------------------------------------------------------------------------------------

// What browsers do not decode, by how such files begin.
const undecodable = [
  [/^FORM....AIF[FC]/s, 'AIFF'],
  [/^\x30\x26\xb2\x75\x8e\x66\xcf\x11/, 'WMA'],
  [/^MThd/, 'MIDI'],
  [/^(?:\x7fELF|%PDF|PK\x03\x04|\x89PNG|\xff\xd8\xff|GIF8)/, 'no audio'],
];

export async function decode(file, { sampleRate = 44100 } = {}) {
  if (typeof OfflineAudioContext !== 'function') throw new UnsupportedError('no Web Audio here: nothing decodes files');
  const name = file?.name ? `${file.name}: ` : '';
  const blob = isBytes(file) ? new Blob([file]) : file;
  if (!(blob instanceof Blob)) throw new ArgumentError(`file: expected a Blob or bytes, got ${describe(file)}`);
  if (!blob.size) throw new DecodeError(`${name}the file is empty`);
  const bytes = await blob.arrayBuffer();
  const begin = String.fromCharCode(...new Uint8Array(bytes, 0, Math.min(16, bytes.byteLength)));
  try {
    return await new OfflineAudioContext(2, 1, sampleRate).decodeAudioData(bytes);
  } catch (cause) {
    const kind = undecodable.find(([pattern]) => pattern.test(begin))?.[1];
    const what = kind === 'no audio' ? 'this is no audio file' : `browsers cannot decode ${kind}`;
    throw new DecodeError(
      kind
        ? `${name}${what}; convert it to WAV, FLAC, MP3 or Ogg first`
        : `${name}this browser cannot decode it: no audio file, damaged, or a format that it does not know`,
      { cause },
    );
  }
}
