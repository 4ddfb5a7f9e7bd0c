// What `load` returns: songs by its own workers, live sound by one more for each stream.
import { ArgumentError, EngineError, UnsupportedError, describe } from './common.js';
import { NodeStream, WorkerStream, streamNumbers } from './live.js';
import { openWorker } from './remote.js';
import { piecesOf, portions, stopping } from './signals.js';

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

export class ModelSeparator {
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
