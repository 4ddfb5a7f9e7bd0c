// Between an audio graph and a stream's worker: what comes in goes there in blocks, what comes back waits here until it
// is due. Output i is stem i.
class Spleeterrt extends AudioWorkletProcessor {
  constructor({ processorOptions: { stems, reserve, block } }) {
    super();
    this.block = block; // samples that go at once
    this.alive = true;
    this.missed = 0;
    this.told = 0;
    this.filled = 0; // samples of the block at hand
    this.begin();
    // A block goes and comes as a whole, and what comes back is heard `reserve` samples later than it could be.
    this.size = 1 << Math.ceil(Math.log2(reserve + 65536));
    this.rings = Array.from({ length: 2 * stems }, () => new Float32Array(this.size));
    this.read = 0;
    this.written = reserve + block; // silence
    this.port.onmessage = ({ data }) => {
      if (data.end) this.alive = false;
      if (!data.port) return;
      this.worker = data.port;
      this.worker.onmessage = (event) => this.take(event.data.stems);
    };
  }

  begin() {
    this.left = new Float32Array(this.block);
    this.right = new Float32Array(this.block);
    this.filled = 0;
  }

  take(stems) {
    const count = stems[0][0].length;
    stems.flat().forEach((channel, c) => {
      const ring = this.rings[c];
      for (let i = 0; i < count; i++) ring[(this.written + i) % this.size] = channel[i];
    });
    this.written += count;
  }

  send([left, right], count) {
    for (let i = 0; i < count; i++) {
      this.left[this.filled] = left ? left[i] : 0;
      this.right[this.filled] = right ? right[i] : left ? left[i] : 0;
      if (++this.filled === this.block) {
        this.worker?.postMessage({ left: this.left, right: this.right }, [this.left.buffer, this.right.buffer]);
        this.begin();
      }
    }
  }

  process([input], outputs) {
    const count = outputs[0][0].length;
    this.send(input, count);
    // What is not here in time is silence, and left out when it comes.
    const ready = Math.max(0, Math.min(count, this.written - this.read));
    outputs.flat().forEach((channel, c) => {
      const ring = this.rings[c];
      for (let i = 0; i < ready; i++) channel[i] = ring[(this.read + i) % this.size];
    });
    this.read += count;
    this.missed += count - ready;
    if (this.missed !== this.told) this.port.postMessage({ missed: (this.told = this.missed) });
    return this.alive;
  }
}

registerProcessor('spleeterrt', Spleeterrt);
