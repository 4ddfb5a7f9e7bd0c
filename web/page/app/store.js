// The page's side of the store of stems.
import { assets } from './assets.js';
import { remote } from './rpc.js';

let next = 0;

export async function openStore() {
  const worker = assets.worker(new URL('./store-worker.js', import.meta.url));
  const ask = remote(worker);
  const session = `session-${crypto.getRandomValues(new Uint32Array(2)).join('-')}`;
  // Held until the page is closed: other pages then clear away what this one has left.
  await new Promise((resolve) => {
    if (!navigator.locks) return resolve();
    navigator.locks.request(session, () => { resolve(); return new Promise(() => {}); }).catch(resolve);
  });
  const onDisk = await ask('open', { session });
  return {
    onDisk,
    create: (song, stems, rate) => ask('create', { song, stems, rate }),
    append: (song, stems) => ask('append', { song, stems }, { transfer: stems.flat().map((channel) => channel.buffer) }),
    read: (song, start, count) => ask('read', { song, start, count }),
    remove: (song) => ask('remove', { song }),
    async export(song, files, format, { zip, onProgress, signal }) {
      const id = next++, cancel = () => ask('cancel', { id });
      signal?.addEventListener('abort', cancel);
      try {
        return await ask('export', { id, song, files, format, zip }, { onProgress });
      } finally {
        signal?.removeEventListener('abort', cancel);
      }
    },
  };
}
