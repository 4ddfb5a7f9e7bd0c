// Where the files beside the page are. A page that is one file replaces this module by one that holds them all.

export const assets = {
  settings: async () => (await fetch('settings.json')).json(),
  model: (address) => new URL(address, document.baseURI).href,
  loadOptions: {},
  liveOptions: {},
  offline: true, // whether there is anything to keep for later visits
};
