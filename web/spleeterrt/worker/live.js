// Live sound.
import { tick } from './ports.js';

const streamStats = ['runs', 'underruns', 'dropped', 'coveredFrames', 'repaired', 'load', 'runSeconds',
  'worstRunSeconds', 'processSeconds', 'worstProcessSeconds'];

export class Stream {
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
