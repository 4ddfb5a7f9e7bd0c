// Where models come from, and what is wrong with some.
import assert from 'node:assert';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';

import { packageFolder, spleeterrt, tiny } from './support.mjs';

const { load } = spleeterrt;
const bytes = readFileSync(tiny);

async function works(model, options) {
  const separator = await load(model, { threads: 1, ...options });
  assert.deepStrictEqual([...separator.stems], ['vocals', 'drums', 'bass', 'other']);
  separator.close();
}

test('from a path, an address of a file, bytes, a Blob', async () => {
  await works(tiny);
  await works(pathToFileURL(tiny));
  await works(pathToFileURL(tiny).href);
  await works(bytes);
  await works(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  await works(new Blob([bytes]));
});

describe('from a server', () => {
  let server;
  let base;
  before(async () => {
    server = createServer((request, response) => {
      const found = request.url === '/model' || request.url === '/cut';
      response.writeHead(found ? 200 : 404, found ? { 'content-length': bytes.length } : {});
      if (request.url === '/cut') response.write(bytes.subarray(0, 1000), () => response.destroy());
      else response.end(found ? bytes : 'not here');
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    base = `http://127.0.0.1:${server.address().port}`;
  });
  after(() => server.close());

  test('with progress', async () => {
    const told = [];
    await works(`${base}/model`, { onProgress: (progress) => told.push(progress) });
    await works(await fetch(`${base}/model`));
    assert.deepStrictEqual(told.at(-1), { loaded: bytes.length, total: bytes.length });
  });
  test('that has none', () => assert.rejects(load(`${base}/none`), { name: 'ModelError', message: /none: HTTP 404/ }));
  test('that breaks off', () => assert.rejects(load(`${base}/cut`), { name: 'ModelError', message: /broke off/ }));
  test('and stopped', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const loading = load(`${base}/model`, { signal: controller.signal, onProgress: () => controller.abort(reason) });
    await assert.rejects(loading, reason);
  });
});

const flipped = (at) => {
  const copy = Buffer.from(bytes);
  copy[at] ^= 0x40;
  return copy;
};
const header = 8 + Number(bytes.readBigUInt64LE(0));
const damaged = {
  empty: [Buffer.alloc(0), /not a readable safetensors file/],
  'a page instead': [Buffer.from('<!doctype html><title>404</title>'.repeat(9)), /not a readable safetensors file/],
  'cut off': [bytes.subarray(0, bytes.length - 1000), /truncated|outside the file/],
  'a flipped bit in the header': [flipped(3000), /./],
  'a flipped bit in a tensor': [flipped(header + 5000), /checksum|not finite/],
};
for (const [name, [model, message]] of Object.entries(damaged))
  test(`a damaged model: ${name}`, () =>
    assert.rejects(load(model, { threads: 1 }), (error) => {
      assert(error instanceof spleeterrt.ModelError, String(error));
      assert.match(error.message, message);
      assert.match(error.message, /^model: /);
      return true;
    }));

test('a file that is not there', () =>
  assert.rejects(load('/nowhere/model.safetensors'), { name: 'ModelError', message: /nowhere.*no such file/i }));

test('wrong arguments', async () => {
  await assert.rejects(load(12), { name: 'ArgumentError', message: /model: expected an address/ });
  await assert.rejects(load(tiny, { threads: 0 }), { name: 'ArgumentError', message: /threads/ });
  await assert.rejects(load(tiny, { build: 'fast' }), { name: 'ArgumentError', message: /build/ });
  await assert.rejects(load(tiny, { networks: ['voice'] }), { name: 'ArgumentError', message: /voice/ });
  await assert.rejects(load(tiny, { build: 'plain', wasm: { plain: '/nowhere.wasm' } }), { name: 'UnsupportedError' });
});

test('modules from elsewhere', async () => {
  const code = readFileSync(join(packageFolder, 'spleeterrt.wasm'));
  await works(tiny, { build: 'plain', wasm: { plain: code } });
  await works(tiny, { build: 'plain', wasm: { plain: await WebAssembly.compile(code) } });
});

test('decoding needs a browser', () =>
  assert.rejects(spleeterrt.decode(new Blob(['abc'])), { name: 'UnsupportedError' }));

test('what a file is, by its first bytes', async () => {
  const { identify } = spleeterrt;
  assert.deepEqual(await identify(new Blob(['FORM\0\0\0\x20AIFFCOMM'])), { name: 'AIFF', sound: true, decodable: false });
  assert.deepEqual(await identify(Uint8Array.of(0xff, 0xfb, 0x90, 0)), { name: 'MP3', sound: true, decodable: true });
  assert.deepEqual(await identify(new TextEncoder().encode('%PDF-1.7').buffer), { name: 'PDF', sound: false, decodable: false });
  assert.equal(await identify(new Blob(['these are words'])), null);
});
