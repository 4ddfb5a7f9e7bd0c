// Whole signals: what is made of them here, and by the networks of other workers.
import { Failure } from './engine.js';
import { tick } from './ports.js';

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
    const x = this.engine.exports;
    const size = x.srt_segment_floats();
    const wanted = x.srt_ahead_frames(); // the signal may end within the segment
    const estimates = new Map();
    for (const [peer, networks] of this.byPeer) {
      const input = this.engine.floats(at, size).slice();
      const outputs = peer.call('forward', { networks, input, wanted }, [input.buffer]);
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

export class Separation {
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
        const found = await estimate;
        engine.floats(x.srt_task_output(task), found.length).set(found);
        this.times.waiting += performance.now() - began;
      }
      if (this.cancelled) throw new Failure('cancelled', 'cancelled');
      progress({ networks: ++this.done });
    }
  }

  async runElsewhere(peer, task, network) {
    const { engine } = this;
    const x = engine.exports;
    const input = engine.floats(x.srt_task_input(task), x.srt_segment_floats()).slice();
    const wanted = x.srt_task_frames(task);
    return (await peer.call('forward', { networks: [network], input, wanted }, [input.buffer]))[0];
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
