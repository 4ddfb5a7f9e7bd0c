// How fast is a network in node, beside onnxruntime-web? One thread each; milliseconds of CPU time of the process.
//
//     node bench/web/node.mjs FOLDER DIST... [--frames 128,512] [--rounds 15] [--ort ORT]
//
// FOLDER: what prepare.py wrote; DIST: folders of the built package, of which all modules that run here take part; ORT:
// node_modules/onnxruntime-web.
import { existsSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import os from 'node:os';

import { Network, difference, planes, race } from './forward.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { frames: { type: 'string', default: '128,512' }, rounds: { type: 'string', default: '15' }, ort: { type: 'string' } },
});
const [folder, ...dists] = positionals;
const bytes = readFileSync(join(folder, 'full.safetensors'));
const source = new Uint8Array(new SharedArrayBuffer(bytes.length));
source.set(bytes);

const networks = {};
for (const dist of dists)
  for (const file of ['spleeterrt.wasm', 'spleeterrt-relaxed.wasm']) {
    const code = existsSync(join(dist, file)) && readFileSync(join(dist, file));
    if (!code || !WebAssembly.validate(code)) continue;
    const worker = new Worker(pathToFileURL(resolve(dist, 'spleeterrt-worker.js')));
    const name = `${dists.length > 1 ? `${basename(resolve(dist, '..'))} ` : ''}${file.includes('relaxed') ? 'relaxed' : 'plain'}`;
    networks[name] = await Network.make({ worker, module: await WebAssembly.compile(code), source });
  }
let ort;
if (values.ort) {
  ort = await import(pathToFileURL(resolve(values.ort, 'dist/ort.node.min.mjs')));
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = 'error';
}

const cpu = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
console.log(`node ${process.version}, ${os.cpus()[0].model}, ${os.cpus().length} cores, load ${os.loadavg()[0].toFixed(1)}`);
for (const frames of values.frames.split(',').map(Number)) {
  const raw = readFileSync(join(folder, `input-${frames}.f32`));
  const input = new Float32Array(raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.length));
  const contestants = {};
  const outputs = {};
  for (const [name, network] of Object.entries(networks))
    contestants[name] = async () => (outputs[name] = await network.run(input, frames));
  if (ort) {
    const session = await ort.InferenceSession.create(readFileSync(join(folder, `net-${frames}.onnx`)), {
      executionProviders: ['wasm'],
      graphOptimizationLevel: 'all',
    });
    const mix = new ort.Tensor('float32', planes(input, frames), [1, 2, frames, input.length / 2 / frames]);
    contestants['onnxruntime-web'] = async () =>
      (outputs['onnxruntime-web'] = Object.values(await session.run({ mix }))[0].data);
  }
  const times = await race(contestants, Number(values.rounds), cpu);
  for (const [name, { min, median }] of Object.entries(times)) {
    const other = times['onnxruntime-web'];
    const ratio = other ? `  ${(other.min / min).toFixed(2)} (min) ${(other.median / median).toFixed(2)} (median)` : '';
    console.log(`T=${frames} ${name.padEnd(28)} ${min.toFixed(1)} ms min, ${median.toFixed(1)} median${ratio}`);
  }
  if (ort) {
    const first = Object.keys(networks)[0];
    const mine = planes(outputs[first], frames);
    console.log(`T=${frames} largest difference ${first} - onnxruntime-web ${difference(mine, outputs['onnxruntime-web']).toExponential(1)}`);
  }
}
process.exit(0);
