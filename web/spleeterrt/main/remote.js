// Workers, and calls to them.
import { ArgumentError, EngineError, ModelError, inNode, node } from './common.js';

const kinds = { model: ModelError, argument: ArgumentError, engine: EngineError };

// A worker and the calls to it.
class Remote {
  // The module goes by the worker's own channel: on pages of file:// a port refuses it.
  static async make(createWorker, module) {
    const remote = new Remote();
    const { port1, port2 } = new MessageChannel();
    if (createWorker) {
      remote.worker = createWorker();
    } else if (inNode) {
      const { Worker: Thread } = await node('worker_threads');
      // Not as below: bundlers would take it for a second file.
      remote.worker = new Thread(new URL(import.meta.url.replace(/[^/]*$/, 'spleeterrt-worker.js')));
    } else {
      remote.worker = new Worker(new URL('./spleeterrt-worker.js', import.meta.url), { type: 'module' });
    }
    const failed = (event) => remote.fail(new EngineError(`the worker failed: ${event.message || 'it cannot be loaded'}`));
    if (inNode) remote.worker.on('error', failed);
    else remote.worker.onerror = failed;
    remote.worker.postMessage({ port: port2, module }, [port2]);
    port1.onmessage = ({ data }) => remote.answered(data);
    remote.port = port1;
    return remote;
  }

  waiting = new Map();
  last = 0;
  failure = null;
  whenFailed = null;

  call(call, args, { transfer = [], progress } = {}) {
    if (this.failure) return Promise.reject(this.failure);
    const id = ++this.last;
    this.port.postMessage({ id, call, args }, transfer);
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject, progress }));
  }
  tell(call, args, transfer = []) {
    if (!this.failure) this.port.postMessage({ call, args }, transfer);
  }
  answered({ id, result, error, progress }) {
    const waiting = this.waiting.get(id);
    if (!waiting) return;
    if (progress !== undefined) {
      waiting.progress?.(progress);
      return;
    }
    this.waiting.delete(id);
    if (error) waiting.reject(new (kinds[error.kind] ?? EngineError)(error.message));
    else waiting.resolve(result);
  }
  fail(failure) {
    if (this.failure) return;
    this.failure = failure;
    for (const { reject } of this.waiting.values()) reject(this.failure);
    this.waiting.clear();
    this.whenFailed?.(failure);
  }
  close() {
    this.fail(new EngineError('the separator was closed'));
    this.port.close();
    this.worker.terminate();
  }
}


export async function openWorker(made) {
  const remote = await Remote.make(made.createWorker, made.module);
  try {
    const { source, lowMemory } = made;
    made.info = await remote.call('open', { source, lowMemory });
    return remote;
  } catch (error) {
    remote.close();
    throw named(error, made.name);
  }
}

// All of them or none.
export async function openWorkers(made, count) {
  const opened = await Promise.allSettled(Array.from({ length: count }, () => openWorker(made)));
  const failed = opened.find(({ status }) => status === 'rejected');
  if (!failed) return opened.map(({ value }) => value);
  for (const { value } of opened) value?.close();
  throw failed.reason;
}

// Problems of a model, by the model's name.
export function named(error, name) {
  return error instanceof ModelError ? new ModelError(`${name}: ${error.message}`, { cause: error }) : error;
}
