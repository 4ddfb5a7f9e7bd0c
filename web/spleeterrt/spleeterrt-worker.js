// A worker of spleeterrt: one instance of the engine, and in it the networks that it runs. It runs as a module or as a
// classic script, also from a Blob; in node as a worker thread. Ports carry calls: {id, call, args} is answered by
// {id, result} or {id, error}, before that any number of {id, progress}.
(() => {
  'use strict';

  /** kind: 'model', 'argument', 'engine' or 'cancelled'. */
  class Failure extends Error {
    constructor(kind, message) {
      super(message);
      this.kind = kind;
    }
  }

  // --- the engine ----------------------------------------------------------------------------------

  // How the engine reads the model's file: synchronously, piece by piece.
  function readerOf(source) {
    if (source instanceof Uint8Array) return (offset, size) => source.subarray(offset, offset + size);
    const reader = new FileReaderSync();
    return (offset, size) => new Uint8Array(reader.readAsArrayBuffer(source.slice(offset, offset + size)));
  }

  class Engine {
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

  // --- ports ---------------------------------------------------------------------------------------

  function serve(port, calls) {
    port.onmessage = async ({ data }) => {
      const { id, call, args } = data;
      const progress = (value) => port.postMessage({ id, progress: value });
      try {
        const { result, transfer = [] } = (await calls[call](args ?? {}, progress)) ?? {};
        if (id !== undefined) port.postMessage({ id, result }, transfer);
      } catch (error) {
        port.postMessage({ id, error: { kind: error.kind ?? 'engine', message: error.message } });
      }
    };
  }

  // Another worker, as this one calls it.
  class Peer {
    constructor(port) {
      this.port = port;
      this.waiting = new Map();
      this.last = 0;
      port.onmessage = ({ data }) => {
        const { resolve, reject } = this.waiting.get(data.id);
        this.waiting.delete(data.id);
        if (data.error) reject(new Failure(data.error.kind, data.error.message));
        else resolve(data.result);
      };
    }
    call(call, args, transfer = []) {
      const id = ++this.last;
      this.port.postMessage({ id, call, args }, transfer);
      return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
    }
  }

  // Lets messages in that have come meanwhile.
  const ticks = new MessageChannel();
  const ticking = [];
  ticks.port1.onmessage = () => ticking.shift()();
  const tick = () =>
    new Promise((resolve) => {
      ticking.push(resolve);
      ticks.port2.postMessage(0);
    });

  // --- whole signals -------------------------------------------------------------------------------

  // The samples that have come, in portions: each of those who read them has a place in it.
  class Samples {
    portions = [];
    dropped = 0; // portions that nobody needs any more
    finished = false;

    add(left, right) {
      this.portions.push([left, right]);
    }
    // What is there from a place on: at least one sample, or null.
    from(place) {
      for (; place.portion - this.dropped < this.portions.length; place.portion++, place.sample = 0) {
        const portion = this.portions[place.portion - this.dropped];
        if (place.sample < portion[0].length) return portion.map((channel) => channel.subarray(place.sample));
      }
      return null;
    }
    drop(places) {
      const needed = Math.min(...places.map(({ portion }) => portion));
      this.portions.splice(0, needed - this.dropped);
      this.dropped = needed;
    }
  }

  // The networks of other workers, on the segments that come next.
  class Elsewhere {
    static most = 2; // segments that are begun

    constructor(engine, owners) {
      this.engine = engine;
      this.byPeer = new Map();
      for (const [network, peer] of owners) {
        if (!this.byPeer.has(peer)) this.byPeer.set(peer, []);
        this.byPeer.get(peer).push(network);
      }
      this.begin();
    }

    begin() {
      this.place = { portion: 0, sample: 0 };
      this.finished = false;
      this.begun = []; // promises of estimates by network
      this.engine.call('engine', (x) => x.srt_ahead_begin());
    }

    // Begins segments as long as there are samples for them. Whether more samples are wanted.
    advance(samples) {
      const { engine } = this;
      while (this.begun.length < Elsewhere.most) {
        const at = engine.call('engine', (x) => x.srt_ahead_next());
        if (at) {
          this.start(at);
          continue;
        }
        const found = samples.from(this.place);
        if (found) {
          this.place.sample += pushed(engine, found, (x, left, right, count) => x.srt_ahead_push(left, right, count));
        } else if (!samples.finished) {
          return true;
        } else if (!this.finished) {
          this.finished = true;
          engine.call('engine', (x) => x.srt_ahead_finish());
        } else {
          return false;
        }
      }
      return false;
    }

    start(at) {
      const size = this.engine.exports.srt_segment_floats();
      const estimates = new Map();
      for (const [peer, networks] of this.byPeer) {
        const input = this.engine.floats(at, size).slice();
        const outputs = peer.call('forward', { networks, input }, [input.buffer]);
        outputs.catch(() => {}); // told where they are awaited
        networks.forEach((network, i) => estimates.set(network, outputs.then((all) => all[i])));
        for (const network of networks) estimates.get(network).catch(() => {});
      }
      this.begun.push(estimates);
    }
  }

  // How many samples of two channels `push` takes, which gets their places in the engine's memory.
  function pushed(engine, [left, right], push) {
    const count = left.length;
    return engine.call('argument', (x) => {
      const at = x.srt_alloc(count * 8);
      engine.floats(at, count).set(left);
      engine.floats(at + count * 4, count).set(right);
      const taken = push(x, at, at + count * 4, count);
      x.srt_free(at);
      return taken;
    });
  }

  class Separation {
    // owners: for each network that runs elsewhere, the peer that runs it. cascade: each network hears what the ones
    // before leave, so that none can be ahead.
    constructor(engine, owners, cascade) {
      this.engine = engine;
      this.owners = owners;
      this.samples = new Samples();
      this.place = { portion: 0, sample: 0 };
      this.elsewhere = owners.size && !cascade ? new Elsewhere(engine, owners) : null;
      this.cancelled = false;
      this.position = 0;
      this.placed = 0; // samples of the piece that the tasks make
      this.done = 0; // networks on segments
      this.times = { analysis: 0, networks: 0, waiting: 0, synthesis: 0 }; // milliseconds
      this.stems = engine.texts(engine.exports.srt_stems(), (i) => engine.exports.srt_stem_name(i));
    }

    // What comes next: {wants: 'samples'}, {wants: 'again'}, {wants: 'nothing'}, or {block}.
    async next({ left, right, finish, again }, progress) {
      const { engine } = this;
      if (again) this.begin();
      if (left) this.samples.add(left, right);
      if (finish) this.samples.finished = true;
      for (;;) {
        if (this.cancelled) throw new Failure('cancelled', 'cancelled');
        const wants = engine.exports.srt_wants();
        if (wants < 3 && this.elsewhere?.advance(this.samples)) return { result: { wants: 'samples' } };
        switch (wants) {
          case 0:
            if (!this.push()) return { result: { wants: 'samples' } };
            break;
          case 1:
            await this.run(progress);
            if (this.placed && engine.exports.srt_wants() !== 1) return this.take();
            break;
          case 2:
            this.placed = engine.call('engine', (x) => x.srt_place());
            break;
          case 3:
            return { result: { wants: 'again' } };
          default:
            return { result: { wants: 'nothing', times: this.times } };
        }
      }
    }

    begin() {
      this.samples = new Samples();
      this.place = { portion: 0, sample: 0 };
      this.position = 0;
      this.engine.call('argument', (x) => x.srt_again());
      this.elsewhere?.begin();
    }

    // To the engine, which wants samples; false: there are none yet.
    push() {
      const { engine, samples, place } = this;
      const found = samples.from(place);
      if (!found && !samples.finished) return false;
      if (!found) {
        engine.call('argument', (x) => x.srt_finish());
        return true;
      }
      const taken = pushed(engine, found, (x, left, right, count) => x.srt_push(left, right, count));
      if (taken < 0) {
        const sample = this.position - 1 - taken;
        throw new Failure('argument', `signal: sample ${sample} is no finite number or far beyond full scale (1.0)`);
      }
      this.position += taken;
      place.sample += taken;
      samples.drop(this.elsewhere ? [place, this.elsewhere.place] : [place]);
      return true;
    }

    async run(progress) {
      const { engine } = this;
      const began = performance.now();
      const networks = engine.exports.srt_networks_run();
      if (networks) {
        await this.runNetworks(progress);
      } else {
        const tasks = engine.exports.srt_tasks();
        for (let task = 0; task < tasks; task++) engine.call('engine', (x) => x.srt_run(task));
        await tick();
      }
      engine.call('engine', (x) => x.srt_complete());
      this.times[networks ? 'networks' : this.placed ? 'synthesis' : 'analysis'] += performance.now() - began;
    }

    async runNetworks(progress) {
      const { engine } = this;
      const x = engine.exports;
      const size = x.srt_segment_floats();
      const begun = this.elsewhere?.begun.shift();
      for (let task = 0; task < x.srt_tasks(); task++) {
        const network = x.srt_task_network(task);
        const peer = this.owners.get(network);
        if (!peer) {
          engine.call('engine', () => x.srt_run(task));
          await tick();
        } else {
          const began = performance.now();
          const estimate = begun ? begun.get(network) : this.runElsewhere(peer, task, network);
          engine.floats(x.srt_task_output(task), size).set(await estimate);
          this.times.waiting += performance.now() - began;
        }
        if (this.cancelled) throw new Failure('cancelled', 'cancelled');
        progress({ networks: ++this.done });
      }
    }

    async runElsewhere(peer, task, network) {
      const { engine } = this;
      const input = engine.floats(engine.exports.srt_task_input(task), engine.exports.srt_segment_floats()).slice();
      return (await peer.call('forward', { networks: [network], input }, [input.buffer]))[0];
    }

    take() {
      const { engine } = this;
      const count = this.placed;
      this.placed = 0;
      const stems = engine.call('engine', (x) => {
        const at = x.srt_alloc(count * 8);
        const all = this.stems.map((_, stem) => {
          x.srt_take(stem, at, at + count * 4, count);
          return [engine.floats(at, count).slice(), engine.floats(at + count * 4, count).slice()];
        });
        x.srt_free(at);
        return all;
      });
      return { result: { block: stems }, transfer: stems.flat().map((channel) => channel.buffer) };
    }
  }

  // --- live sound ----------------------------------------------------------------------------------

  const streamStats = ['runs', 'underruns', 'dropped', 'coveredFrames', 'repaired', 'load', 'runSeconds',
    'worstRunSeconds', 'processSeconds', 'worstProcessSeconds'];

  class Stream {
    constructor(engine, { numbers, mode, stems }) {
      this.engine = engine;
      this.running = false;
      engine.call('argument', (x) => x.srt_stream_new());
      for (const [name, value] of Object.entries(numbers))
        engine.check('argument', (x) => engine.withText(name, (at) => x.srt_stream_set(at, value)));
      engine.check('argument', (x) =>
        engine.withText(mode, (m) => engine.withText(stems, (s) => x.srt_stream_plan(m, s))),
      );
      const x = engine.exports;
      for (let i = 0; i < x.srt_stream_networks(); i++) {
        const network = x.srt_stream_network(i);
        engine.check('model', () => x.srt_load(network));
      }
      engine.check('argument', () => x.srt_stream_begin());
      this.stems = engine.texts(x.srt_stream_stems(), (i) => x.srt_stream_stem_name(i));
      this.largest = x.srt_stream_largest_block();
      this.latency = x.srt_stream_latency();
    }

    outputs(count) {
      const { engine } = this;
      const at = (stem, channel) => engine.floats(engine.exports.srt_stream_output(stem, channel), count);
      return this.stems.map((_, stem) => [at(stem, 0).slice(), at(stem, 1).slice()]);
    }

    process(left, right) {
      const { engine } = this;
      const stems = this.stems.map(() => [new Float32Array(left.length), new Float32Array(left.length)]);
      for (let first = 0; first < left.length; first += this.largest) {
        const count = Math.min(this.largest, left.length - first);
        engine.floats(engine.exports.srt_stream_input(0), count).set(left.subarray(first, first + count));
        engine.floats(engine.exports.srt_stream_input(1), count).set(right.subarray(first, first + count));
        engine.call('engine', (x) => x.srt_stream_process(count));
        this.outputs(count).forEach((stem, s) => stem.forEach((channel, c) => stems[s][c].set(channel, first)));
      }
      this.runNetworks().catch(() => {}); // told by the next call
      return stems;
    }

    // Between the blocks: one network at a time, so that a block that has come waits for no more than that.
    async runNetworks() {
      if (this.running) return;
      this.running = true;
      await tick();
      while (!this.engine.broken && this.engine.call('engine', (x) => x.srt_stream_run())) await tick();
      this.running = false;
    }

    flush() {
      this.engine.call('engine', (x) => x.srt_stream_flush());
      return this.outputs(this.latency);
    }

    stats() {
      const { exports } = this.engine;
      const values = new Float64Array(exports.memory.buffer, exports.srt_stream_stats(), streamStats.length);
      return Object.fromEntries(streamStats.map((name, i) => [name, values[i]]));
    }
  }

  // --- what others call ----------------------------------------------------------------------------

  let module, engine, separation, stream;
  const peers = [];
  const transferred = (stems) => ({ result: stems, transfer: stems.flat().map((channel) => channel.buffer) });

  const calls = {
    open({ module: own = module, source, lowMemory }) {
      const made = new Engine(own, source);
      const size = source instanceof Uint8Array ? source.length : source.size;
      made.check('model', (x) => x.srt_open(size, lowMemory ? 1 : 0));
      engine = made;
      const x = engine.exports;
      const networks = engine.texts(x.srt_networks(), (i) => x.srt_network_name(i));
      const usual = networks.map((_, i) => x.srt_network_is_usual(i) === 1);
      const shape = { frames: x.srt_frames(), frameLength: x.srt_frame_length(), frameStep: x.srt_frame_step() };
      return { result: { networks, usual, shape, sampleRate: x.srt_sample_rate() } };
    },
    load({ networks }) {
      for (const network of networks) engine.check('model', (x) => x.srt_load(network));
    },
    memory: () => ({ result: engine.exports.memory.buffer.byteLength }),

    // Of the worker that separates: how it reaches another one; of that one: who may call.
    reach({ port }) {
      peers.push(new Peer(port));
    },
    answer({ port }) {
      serve(port, { forward: calls.forward });
    },
    async forward({ networks, input, frames = 0 }) {
      const size = input.length;
      const outputs = [];
      const at = engine.call('engine', (x) => x.srt_alloc(size * 8));
      engine.floats(at, size).set(input);
      networks.forEach((network, i) => {
        engine.call('engine', (x) => x.srt_forward(network, frames, at, at + size * 4));
        const estimate = engine.floats(at + size * 4, size);
        if (i < networks.length - 1) return outputs.push(estimate.slice());
        input.set(estimate); // which came with a buffer of its own: fresh memory costs more than the copy
        outputs.push(input);
      });
      engine.call('engine', (x) => x.srt_free(at));
      return { result: outputs, transfer: outputs.map((output) => output.buffer) };
    },

    plan({ mode, stems, flags }) {
      engine.check('argument', (x) =>
        engine.withText(mode, (m) => engine.withText(stems, (s) => x.srt_plan(m, s, flags))),
      );
      const x = engine.exports;
      const networks = Array.from({ length: x.srt_plan_networks() }, (_, i) => x.srt_plan_network(i));
      const stemNames = engine.texts(x.srt_stems(), (i) => x.srt_stem_name(i));
      return { result: { networks, stems: stemNames, cascade: x.srt_plan_is_cascade() === 1 } };
    },
    // owners: pairs of a network and the place of its peer.
    begin({ flags, owners, cascade }) {
      engine.check('argument', (x) => x.srt_begin(flags));
      separation = new Separation(engine, new Map(owners.map(([network, peer]) => [network, peers[peer]])), cascade);
    },
    next: (args, progress) => separation.next(args, progress),
    cancel() {
      if (separation) separation.cancelled = true;
    },
    end() {
      separation = undefined;
      engine.call('engine', (x) => (x.srt_ahead_end(), x.srt_end()));
    },

    openStream(options) {
      stream = new Stream(engine, options);
      const { stems, latency } = stream;
      return { result: { stems, latency } };
    },
    process: ({ left, right }) => transferred(stream.process(left, right)),
    flush: () => transferred(stream.flush()),
    reset() {
      engine.call('engine', (x) => x.srt_stream_reset());
    },
    stats: () => ({ result: stream.stats() }),
    // An audio worklet sends blocks of the mix itself.
    live({ port }) {
      port.onmessage = ({ data }) => {
        const stems = stream.process(data.left, data.right);
        port.postMessage({ stems }, stems.flat().map((channel) => channel.buffer));
      };
    },
  };

  function begin({ data }) {
    module = data.module;
    serve(data.port, calls);
  }
  if (typeof WorkerGlobalScope === 'undefined') {
    const threads = 'node:worker_threads'; // bundlers would look for it
    import(/* @vite-ignore */ /* webpackIgnore: true */ threads).then(({ parentPort }) => parentPort.once('message', (data) => begin({ data })));
  } else {
    self.onmessage = begin;
  }
})();
