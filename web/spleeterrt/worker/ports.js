// Calls over ports: {id, call, args} is answered by {id, result} or {id, error}, before that any number of
// {id, progress}.
import { Failure } from './engine.js';

export function serve(port, calls) {
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
export class Peer {
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
export const tick = () =>
  new Promise((resolve) => {
    ticking.push(resolve);
    ticks.port2.postMessage(0);
  });
