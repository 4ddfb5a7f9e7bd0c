// The two modules of WebAssembly: which one this JavaScript engine runs.
import { ArgumentError, UnsupportedError, describe } from './common.js';

// A function of vectors with the instructions `code`.
function validates(code) {
  const body = [0, ...code, 11];
  const three = [0x60, 3, 0x7b, 0x7b, 0x7b, 1, 0x7b];
  return WebAssembly.validate(
    new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, three.length + 1, 1, ...three, 3, 2, 1, 0, 10, body.length + 2,
      1, body.length, ...body]),
  );
}
const wasm = typeof WebAssembly === 'object';
export const supported = Object.freeze({
  simd: wasm && validates([32, 0, 32, 1, 0xfd, 0xe4, 1]), // f32x4.add
  relaxed: wasm && validates([32, 0, 32, 1, 32, 2, 0xfd, 0x85, 2]), // f32x4.relaxed_madd
});

export function chooseBuild(options) {
  if (!supported.simd)
    throw new UnsupportedError('this browser has no WebAssembly SIMD: Chrome 91, Firefox 89, Safari 16.4 or newer have');
  const build = options.build ?? (supported.relaxed ? 'relaxed' : 'plain');
  if (build !== 'plain' && build !== 'relaxed')
    throw new ArgumentError(`build: expected 'plain' or 'relaxed', got ${describe(build)}`);
  if (build === 'relaxed' && !supported.relaxed)
    throw new UnsupportedError("build: this browser has no relaxed SIMD; 'plain' runs here");
  return build;
}
