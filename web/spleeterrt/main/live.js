// Live sound: a stream in a worker, and one in an audio graph.
import { ArgumentError, describe } from './common.js';
import { checkChannels } from './signals.js';

const streamNames = { frames: 'frames', hopFrames: 'hop_frames', lookahead: 'lookahead', crossfade: 'crossfade',
  window: 'window', budget: 'budget', sampleRate: 'sample_rate' };
const streamFlags = { hold: 'hold', residual: 'residual', fullBand: 'full_band', realtime: 'realtime' };

export function streamNumbers(options) {
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

export class WorkerStream {
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

export class NodeStream {
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
