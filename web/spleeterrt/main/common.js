// What every part needs: errors, where this runs, and what callers pass.

export class SpleeterrtError extends Error {
  constructor(message, options) {
    super(message, options);
    this.name = this.constructor.name;
  }
}
export class ModelError extends SpleeterrtError {}
export class ArgumentError extends SpleeterrtError {}
export class UnsupportedError extends SpleeterrtError {}
export class DecodeError extends SpleeterrtError {}
export class EngineError extends SpleeterrtError {}

export const inNode = typeof process === 'object' && !!process.versions?.node && typeof document === 'undefined';
export const node = (name) => import(/* @vite-ignore */ /* webpackIgnore: true */ `node:${name}`);
export const describe = (value) => (typeof value === 'string' ? `'${value}'` : String(value));

export const isBytes = (value) => value instanceof ArrayBuffer || ArrayBuffer.isView(value);
export const bytesOf = (value) =>
  value instanceof ArrayBuffer ? new Uint8Array(value) : new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
