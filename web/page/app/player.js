// Plays the stems of a song out of the store while the rest may still be separated: short pieces of all stems are
// scheduled to the sample, a little ahead of what is heard, each stem through a gain of its own.

const PIECE = 1.5; // seconds that are scheduled at a time
const AHEAD = 4; // seconds that are scheduled before they are heard
const SOON = 0.06; // seconds from a command until sound
const SMOOTH = 0.012; // time constant of gains

export class Player extends EventTarget {
  #context;
  #gains = [];
  #meters = [];
  #song; // { store, id, rate, length, available, over: whether no more will be, stems }
  #pieces = []; // that are scheduled: { time, start, count, nodes }
  #next = 0; // the sample to schedule next, unless a loop ends there
  #time = 0; // when it sounds
  #position = 0; // while nothing plays
  #state = 'stopped'; // or 'playing', 'waiting' for samples that are still being separated
  #run = 0; // a number for each run of pieces, so that late answers of the store are dropped
  #busy = false;
  #timer;
  loop = null; // { start, end } in samples; of a song that is over within what there is of it

  get state() {
    return this.#state;
  }

  // Another song, or none. Its gains are applied at once.
  open(song, gains) {
    this.stop();
    this.#song = song;
    this.loop = null;
    this.#position = 0;
    for (const node of [...this.#gains, ...this.#meters]) node.disconnect();
    this.#gains = [];
    this.#meters = [];
    this.#wanted = gains;
  }

  #wanted = [];

  setGain(index, value) {
    this.#wanted[index] = value;
    this.#gains[index]?.gain.setTargetAtTime(value, this.#context.currentTime, SMOOTH);
  }

  // The sample that is heard now.
  get position() {
    if (this.#state !== 'playing') return this.#position;
    const now = this.#context.currentTime - (this.#context.outputLatency || 0);
    this.#drop(now);
    const piece = this.#pieces[0];
    if (!piece) return this.#position;
    const into = Math.max(0, Math.min(piece.count, (now - piece.time) * this.#song.rate));
    return piece.start + into;
  }

  // What has been heard; nothing is drawn in a hidden tab, so that whoever asks for the position cannot be relied on.
  #drop(now) {
    while (this.#pieces.length > 1 && this.#pieces[1].time <= now) {
      for (const node of this.#pieces.shift().nodes) node.disconnect();
    }
  }

  // How loud each stem is at the moment, 0 to 1.
  levels() {
    return this.#meters.map((meter) => {
      const samples = new Float32Array(meter.fftSize);
      meter.getFloatTimeDomainData(samples);
      return Math.min(1, samples.reduce((most, x) => Math.max(most, Math.abs(x)), 0));
    });
  }

  async play() {
    if (!this.#song || this.#state !== 'stopped') return;
    this.#prepare();
    const resumed = this.#context.resume();
    if (this.#position >= this.#end) this.#position = 0;
    this.#begin(this.#position);
    await resumed;
  }

  pause() {
    const position = this.position;
    this.#halt();
    this.#position = position;
    this.#become('stopped');
  }

  stop() {
    this.#halt();
    this.#position = 0;
    this.#become('stopped');
  }

  seek(sample) {
    const position = Math.max(0, Math.min(this.#end, Math.round(sample)));
    const playing = this.#state !== 'stopped';
    this.#halt();
    this.#position = position;
    if (playing && position < this.#end) this.#begin(position);
    else this.#become('stopped');
    this.dispatchEvent(new Event('seek'));
  }

  // More samples have been separated, or no more will be.
  more() {
    if (this.#state !== 'waiting') return;
    if (this.#position < this.#end) this.#begin(this.#position);
    else if (this.loop) this.#begin(this.loop.start);
    else this.stop();
  }

  // Where the song ends; of one that was cancelled what there is of it.
  get #end() {
    return this.#song.over ? this.#song.available : this.#song.length;
  }

  #prepare() {
    this.#context ??= new AudioContext({ sampleRate: this.#song.rate, latencyHint: 'playback' });
    if (this.#context.sampleRate !== this.#song.rate) {
      this.#context.close();
      this.#context = new AudioContext({ sampleRate: this.#song.rate, latencyHint: 'playback' });
      this.#gains = [];
    }
    if (this.#gains.length) return;
    for (const gain of this.#wanted) {
      const node = new GainNode(this.#context, { gain });
      const meter = new AnalyserNode(this.#context, { fftSize: 1024 });
      node.connect(this.#context.destination);
      node.connect(meter);
      this.#gains.push(node);
      this.#meters.push(meter);
    }
  }

  #begin(position) {
    this.#halt();
    this.#position = position;
    this.#next = position;
    this.#time = 0; // set when the first piece has come
    this.#become(position < this.#song.available ? 'playing' : 'waiting');
    this.#timer = setInterval(() => this.#pump(), 250);
    this.#pump();
  }

  #halt() {
    this.#run += 1;
    this.#busy = false;
    clearInterval(this.#timer);
    for (const { nodes } of this.#pieces) for (const node of nodes) node.stop();
    this.#pieces = [];
  }

  #become(state) {
    if (state === this.#state) return;
    this.#state = state;
    this.dispatchEvent(new Event('state'));
  }

  async #pump() {
    if (this.#busy || this.#state !== 'playing') return;
    this.#drop(this.#context.currentTime - (this.#context.outputLatency || 0));
    const run = this.#run;
    this.#busy = true;
    try {
      while (run === this.#run && this.#wants()) await this.#schedule(run);
    } catch (error) {
      if (run === this.#run) this.dispatchEvent(new CustomEvent('problem', { detail: error }));
    } finally {
      if (run === this.#run) this.#busy = false;
    }
    if (run === this.#run) this.#settle();
  }

  // Where the next piece begins. That a loop ends with the last piece may have been decided since: by cancelling its song.
  get #start() {
    return this.loop && this.#next === this.loop.end ? this.loop.start : this.#next;
  }

  #wants() {
    return this.#start < this.#song.available && this.#time < this.#context.currentTime + AHEAD;
  }

  async #schedule(run) {
    const { store, id, rate, available } = this.#song;
    const start = this.#start, looping = this.loop && start < this.loop.end;
    const end = Math.min(available, looping ? this.loop.end : available, start + Math.round(PIECE * rate));
    const count = end - start;
    const stems = await store.read(id, start, count);
    if (run !== this.#run) return;
    const earliest = Math.ceil((this.#context.currentTime + SOON) * rate) / rate;
    const time = Math.max(this.#time, earliest); // later than planned only where the store was slow
    const nodes = stems.map((channels, index) => this.#node(channels, index, time));
    this.#pieces.push({ time, start, count, nodes });
    this.#time = time + count / rate;
    this.#next = end;
  }

  #node(channels, index, time) {
    const { rate } = this.#song;
    const buffer = this.#context.createBuffer(2, channels[0].length, rate);
    channels.forEach((samples, channel) => buffer.copyToChannel(samples, channel));
    const node = new AudioBufferSourceNode(this.#context, { buffer });
    node.connect(this.#gains[index]);
    node.start(time);
    return node;
  }

  // At the end of what there is: the song is over, or the rest has not been separated yet.
  #settle() {
    if (this.#state !== 'playing' || this.#start < this.#song.available) return;
    if (this.#context.currentTime < this.#time) return;
    const position = this.#start;
    this.#halt();
    if (position >= this.#end) {
      this.#position = 0;
      this.#become('stopped');
      this.dispatchEvent(new Event('seek'));
    } else {
      this.#position = position;
      this.#become('waiting');
    }
  }
}
