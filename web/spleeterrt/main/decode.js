// Files into samples, by the browser's decoders.
import { ArgumentError, DecodeError, UnsupportedError, describe, isBytes } from './common.js';
import { identify } from './formats.js';

export async function decode(file, { sampleRate = 44100 } = {}) {
  if (typeof OfflineAudioContext !== 'function') throw new UnsupportedError('no Web Audio here: nothing decodes files');
  const name = file?.name ? `${file.name}: ` : '';
  const blob = isBytes(file) ? new Blob([file]) : file;
  if (!(blob instanceof Blob)) throw new ArgumentError(`file: expected a Blob or bytes, got ${describe(file)}`);
  if (!blob.size) throw new DecodeError(`${name}the file is empty`);
  const format = await identify(blob);
  if (format && !format.sound) throw new DecodeError(`${name}this is ${format.name}, and no audio file`);
  try {
    return await new OfflineAudioContext(2, 1, sampleRate).decodeAudioData(await blob.arrayBuffer());
  } catch (cause) {
    const undecodable = format && !format.decodable;
    throw new DecodeError(
      undecodable
        ? `${name}browsers cannot decode ${format.name}; convert it to WAV, FLAC, MP3 or Ogg first`
        : `${name}this browser cannot decode it: no audio file, damaged, or a format that it does not know`,
      { cause },
    );
  }
}
