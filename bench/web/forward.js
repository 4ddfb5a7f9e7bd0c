// One network on one segment: spleeterrt's builds and onnxruntime-web, round by round side by side. For node (node.mjs)
// and for a page (page.html).

// A worker of the package, as it is inside: `load` and `forward` by themselves.
export class Network {
  static async make({ worker, module, source }) {
    const network = new Network();
    const { port1, port2 } = new MessageChannel();
    network.worker = worker;
    network.port = port1;
    network.waiting = [];
    port1.onmessage = ({ data }) => {
      const { resolve, reject } = network.waiting.shift();
      if (data.error) reject(new Error(data.error.message));
      else resolve(data.result);
    };
    worker.postMessage({ port: port2, module }, [port2]);
    await network.call('open', { module, source, lowMemory: false });
    await network.call('load', { networks: [0] });
    return network;
  }
  call(call, args, transfer = []) {
    this.port.postMessage({ id: 1, call, args }, transfer);
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  }
  async run(input, frames) {
    const copy = input.slice();
    const [output] = await this.call('forward', { networks: [0], input: copy, frames }, [copy.buffer]);
    return output;
  }
}

// [T, F, 2] to [1, 2, T, F], as the ONNX graph wants it.
export function planes(input, frames) {
  const bins = input.length / 2 / frames;
  const out = new Float32Array(input.length);
  for (let c = 0; c < 2; c++)
    for (let i = 0; i < frames * bins; i++) out[c * frames * bins + i] = input[2 * i + c];
  return out;
}

export function difference(a, b) {
  let most = 0;
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i] - b[i]));
  return most;
}

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

// contestants: {name: async () => output}. now: milliseconds of a clock. Minimum and median of each.
export async function race(contestants, rounds, now) {
  const times = Object.fromEntries(Object.keys(contestants).map((name) => [name, []]));
  for (let warm = 0; warm < 2; warm++) for (const run of Object.values(contestants)) await run();
  for (let round = 0; round < rounds; round++)
    for (const [name, run] of Object.entries(contestants)) {
      const began = now();
      await run();
      times[name].push(now() - began);
    }
  return Object.fromEntries(
    Object.entries(times).map(([name, all]) => [name, { min: Math.min(...all), median: median(all) }]),
  );
}
