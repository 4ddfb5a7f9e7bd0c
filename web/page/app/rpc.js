// Questions and answers between a page and its worker.
//
// The page: const store = remote(worker); await store('read', { ... }, { transfer, onProgress }).
// The worker: answer({ read({ ... }, progress) { return value; } }); a value may be `passed(value, transfer)`.

export function remote(worker) {
  const waiting = new Map();
  let next = 0, failure = null;
  worker.addEventListener('message', ({ data }) => {
    const call = waiting.get(data.id);
    if (!call) return;
    if ('progress' in data) return void call.onProgress?.(data.progress);
    waiting.delete(data.id);
    if ('error' in data) call.reject(Object.assign(new Error(data.error.message), { name: data.error.name }));
    else call.resolve(data.value);
  });
  worker.addEventListener('error', (event) => {
    failure = new Error(event.message || 'A background task stopped; load the page again.');
    for (const call of waiting.values()) call.reject(failure);
    waiting.clear();
  });
  return (operation, argument = {}, { transfer = [], onProgress } = {}) => new Promise((resolve, reject) => {
    if (failure) return reject(failure);
    const id = next++;
    waiting.set(id, { resolve, reject, onProgress });
    worker.postMessage({ id, operation, argument }, transfer);
  });
}

class Passed {
  constructor(value, transfer) {
    Object.assign(this, { value, transfer });
  }
}

export const passed = (value, transfer) => new Passed(value, transfer);

export function answer(operations) {
  self.addEventListener('message', async ({ data: { id, operation, argument } }) => {
    try {
      const result = await operations[operation](argument, (progress) => self.postMessage({ id, progress }));
      if (result instanceof Passed) self.postMessage({ id, value: result.value }, result.transfer);
      else self.postMessage({ id, value: result });
    } catch (error) {
      self.postMessage({ id, error: { name: error.name ?? 'Error', message: String(error.message ?? error) } });
    }
  });
}
