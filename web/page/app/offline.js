// Later visits without a network, by the service worker; and new versions of the page.
import { $, make } from './dom.js';

// idle(): whether nothing would be lost by loading the page again.
export async function keepOffline(idle) {
  if (!navigator.serviceWorker) return;
  let registration;
  try {
    registration = await navigator.serviceWorker.register('sw.js');
  } catch {
    // Some private windows; the page works all the same.
  }
  if (!registration) return;
  const known = Boolean(navigator.serviceWorker.controller);
  const tell = (onclick) => say('A new version is here. ', make('button', { type: 'button', class: 'link', onclick }, 'Load it'));
  let wanted = false;
  navigator.serviceWorker.addEventListener('controllerchange', () => {
    if (!known) return;
    // Another tab may have taken the new version; the songs of this one stay.
    if (wanted || idle()) location.reload();
    else tell(() => location.reload());
  });
  const activate = (worker) => {
    wanted = true;
    worker.postMessage('activate');
  };
  const offer = (worker) => {
    if (worker.state !== 'installed' || !known) return;
    if (idle()) worker.postMessage('activate');
    else tell(() => activate(worker));
  };
  if (registration.waiting) offer(registration.waiting);
  registration.addEventListener('updatefound', () => {
    const worker = registration.installing;
    worker.addEventListener('statechange', () => offer(worker));
  });
  await navigator.serviceWorker.ready;
  if ($('offline').hidden) say('Works without a network from now on.');
}

function say(...content) {
  $('offline').replaceChildren(...content);
  $('offline').hidden = false;
}
