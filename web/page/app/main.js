// Connects the parts of the page.
import { $, announce } from './dom.js';
import { assets } from './assets.js';
import { isModel } from './decode.js';
import { LiveView } from './live-view.js';
import { ModelDialog } from './model-dialog.js';
import { Models } from './models.js';
import { keepOffline } from './offline.js';
import { Player } from './player.js';
import { PlayerView } from './player-view.js';
import { Queue } from './queue.js';
import { openStore } from './store.js';

start().catch((error) => complain(`The page could not start: ${error.message}`));

async function start() {
  const models = new Models(await assets.settings()), store = await openStore();
  const dialog = new ModelDialog(models), queue = new Queue($('queue'), store, models);
  const player = new PlayerView($('player'), new Player(), store, (song) => queue.again(song)), live = new LiveView($('live'), models);

  queue.addEventListener('select', () => player.show(queue.selected));
  queue.addEventListener('change', () => {
    $('drop').hidden = queue.songs.length > 0;
    $('work').hidden = queue.songs.length === 0;
  });
  const take = (files) => accept([...files], queue, dialog, player);
  listenForFiles(take);
  listenForKeys(player);
  views(player, live);
  addEventListener('beforeunload', (event) => {
    if (queue.busy) event.preventDefault();
  });
  if (assets.offline) keepOffline(() => queue.songs.length === 0 && !live.running);
  document.documentElement.dataset.ready = 'true';
}

// Songs go into the queue, a model becomes the one that separates.
async function accept(files, queue, dialog, player) {
  complain('');
  const model = files.find(isModel), songs = files.filter((file) => !isModel(file));
  if (model) await dialog.take(model);
  if (songs.length === 0) return;
  $('to-songs').click();
  queue.add(songs, { stay: player.playing }); // who listens goes on listening
  announce(songs.length === 1 ? `${songs[0].name} added` : `${songs.length} songs added`);
}

function complain(text) {
  $('banner').textContent = text;
  $('banner').hidden = !text;
}

function listenForFiles(take) {
  const input = $('files');
  for (const id of ['choose', 'more-songs']) $(id).addEventListener('click', () => input.click());
  input.addEventListener('change', () => {
    const files = [...input.files];
    input.value = ''; // the same file may be chosen again
    take(files);
  });
  let inside = 0; // elements that the pointer has entered and not left
  const veil = (shown) => { $('veil').hidden = !shown; };
  const holdsFiles = (event) => event.dataTransfer?.types.includes('Files');
  addEventListener('dragenter', (event) => {
    if (!holdsFiles(event)) return;
    inside += 1;
    veil(true);
  });
  addEventListener('dragleave', (event) => {
    if (!holdsFiles(event)) return;
    inside -= 1;
    veil(inside > 0);
  });
  addEventListener('dragover', (event) => event.preventDefault());
  addEventListener('drop', (event) => {
    event.preventDefault();
    inside = 0;
    veil(false);
    if (event.dataTransfer.files.length) take(event.dataTransfer.files);
  });
}

function listenForKeys(player) {
  const keys = {
    ' ': () => player.toggle(),
    ArrowLeft: () => player.seekBy(-5),
    ArrowRight: () => player.seekBy(5),
    Home: () => player.seekBy(-Infinity),
    l: () => player.toggleLoop(),
    '[': () => player.loopFrom('start'),
    ']': () => player.loopFrom('end'),
    o: () => $('files').click(),
  };
  addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
    if ($('songs').hidden || event.target.closest('input, select, textarea')) return;
    if (event.repeat && !event.key.startsWith('Arrow')) return;
    if (event.key === ' ' && event.target.closest('button, a')) return; // which they press
    const digit = /^Digit([1-9])$/.exec(event.code);
    if (digit) player.flip(event.shiftKey ? 'solo' : 'muted', Number(digit[1]) - 1);
    else if (event.key in keys) keys[event.key]();
    else return;
    event.preventDefault();
  });
  $('keys-button').addEventListener('click', () => $('keys-dialog').showModal());
}

function views(player, live) {
  const show = (name) => {
    $('songs').hidden = name !== 'songs';
    $('live').hidden = name !== 'live';
    for (const each of ['songs', 'live']) {
      if (each === name) $(`to-${each}`).setAttribute('aria-current', 'page');
      else $(`to-${each}`).removeAttribute('aria-current');
    }
    if (name === 'songs') live.stop();
    else player.pause();
  };
  $('to-songs').addEventListener('click', () => show('songs'));
  $('to-live').addEventListener('click', () => show('live'));
}
