// A worker of spleeterrt: one instance of the engine, and in it the networks that it runs. Put together it runs as a
// module or as a classic script, also from a Blob; in node as a worker thread.
import { Engine } from './engine.js';
import { Stream } from './live.js';
import { Peer, serve } from './ports.js';
import { Separation } from './song.js';

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
  // wanted: how many frames come out, from the first one on; 0: all.
  async forward({ networks, input, frames = 0, wanted = 0 }) {
    const size = input.length;
    const all = frames || engine.exports.srt_frames();
    const written = wanted ? (size / all) * wanted : size;
    const outputs = [];
    const at = engine.call('engine', (x) => x.srt_alloc(size * 8));
    engine.floats(at, size).set(input);
    networks.forEach((network, i) => {
      engine.call('engine', (x) => x.srt_forward(network, frames, wanted, at, at + size * 4));
      const estimate = engine.floats(at + size * 4, written);
      if (i < networks.length - 1) return outputs.push(estimate.slice());
      input.set(estimate); // which came with a buffer of its own: fresh memory costs more than the copy
      outputs.push(input.subarray(0, written));
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
