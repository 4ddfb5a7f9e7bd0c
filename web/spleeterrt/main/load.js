// Loading a model into workers.
import { chooseBuild } from './builds.js';
import { ArgumentError, UnsupportedError, describe, inNode, node } from './common.js';
import { compile, modelSource } from './fetching.js';
import { named, openWorker, openWorkers } from './remote.js';
import { ModelSeparator } from './separator.js';

async function cores() {
  return globalThis.navigator?.hardwareConcurrency ?? (inNode ? (await node('os')).availableParallelism() : 1);
}

// Networks in groups, one per worker.
function groups(networks, workers) {
  const made = [];
  for (let left = workers, first = 0; left > 0; left--) {
    const count = Math.floor((networks.length - first) / left);
    made.push(networks.slice(first, first + count));
    first += count;
  }
  return made;
}

export async function load(model, options = {}) {
  const { signal, threads } = options;
  signal?.throwIfAborted();
  if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1))
    throw new ArgumentError(`threads: expected an integer of at least 1, got ${describe(threads)}`);
  const build = chooseBuild(options);
  const beside = build === 'plain' ? './spleeterrt.wasm' : './spleeterrt-relaxed.wasm';
  const where = options.wasm?.[build] ?? (build === 'plain'
    ? new URL('./spleeterrt.wasm', import.meta.url)
    : new URL('./spleeterrt-relaxed.wasm', import.meta.url));
  const [module, found] = await Promise.all([
    compile(where, signal).catch((cause) => {
      signal?.throwIfAborted();
      if (cause instanceof UnsupportedError) throw cause;
      throw new UnsupportedError(`${beside}: cannot be loaded (${cause.message})`, { cause });
    }),
    modelSource(model, options),
  ]);
  signal?.throwIfAborted();
  const made = { ...found, module, build, lowMemory: !!options.lowMemory, createWorker: options.createWorker };
  const workers = [await openWorker(made)];
  const abort = () => workers.forEach((worker) => worker.close());
  signal?.addEventListener('abort', abort);
  try {
    signal?.throwIfAborted();
    const { networks, usual, shape } = made.info;
    made.shape = shape;
    const wanted = wantedNetworks(options.networks, networks, usual);
    const count = Math.min(threads ?? (await cores()), wanted.length);
    const shares = groups(wanted, count);
    if (count > 1) workers.push(...(await openWorkers(made, count)));
    const first = workers.length - count;
    await Promise.all(shares.map((share, i) => workers[first + i].call('load', { networks: share })));
    for (const worker of workers.slice(1)) {
      const { port1, port2 } = new MessageChannel();
      workers[0].tell('reach', { port: port1 }, [port1]);
      worker.tell('answer', { port: port2 }, [port2]);
    }
    signal?.throwIfAborted();
    const stems = networks.filter((_, i) => wanted.includes(i));
    return new ModelSeparator(made, workers, { ...made.info, stems, chosen: options.networks !== undefined }, shares);
  } catch (error) {
    abort();
    signal?.throwIfAborted();
    throw named(error, made.name);
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

function wantedNetworks(names, networks, usual) {
  if (names === undefined) return networks.flatMap((_, i) => (usual[i] ? [i] : []));
  const missing = Array.isArray(names) && names.length ? names.find((name) => !networks.includes(name)) : names;
  if (missing !== undefined)
    throw new ArgumentError(`networks: expected some of ${networks.join(', ')}, got ${describe(missing)}`);
  return networks.flatMap((name, i) => (names.includes(name) ? [i] : []));
}
