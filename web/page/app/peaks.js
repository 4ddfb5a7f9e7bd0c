// The shape of a sound for drawing: of every BIN samples the lowest, the highest, and the mean power.

export const BIN = 512;

export class Peaks {
  #filled = 0; // samples
  #sum = 0;

  constructor(length) {
    const bins = Math.ceil(length / BIN);
    this.low = new Float32Array(bins);
    this.high = new Float32Array(bins);
    this.power = new Float32Array(bins);
  }

  get filled() {
    return this.#filled;
  }

  // Samples that follow those before.
  add(left, right) {
    const { low, high, power } = this;
    for (let i = 0; i < left.length; ) {
      const bin = Math.floor(this.#filled / BIN), inside = this.#filled % BIN;
      if (inside === 0) this.#sum = 0;
      const end = Math.min(left.length, i + BIN - inside), count = end - i;
      let least = low[bin], most = high[bin], sum = this.#sum;
      for (; i < end; i++) {
        const l = left[i], r = right[i];
        if (l < least) least = l;
        if (r < least) least = r;
        if (l > most) most = l;
        if (r > most) most = r;
        sum += l * l + r * r;
      }
      low[bin] = least;
      high[bin] = most;
      power[bin] = sum / (2 * (inside + count));
      this.#sum = sum;
      this.#filled += count;
    }
  }

  get peak() {
    let most = 0;
    for (let i = 0; i < this.low.length; i++) most = Math.max(most, this.high[i], -this.low[i]);
    return most;
  }
}
