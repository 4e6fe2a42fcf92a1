// Copyright: (c) 2026, fleet.lxc contributors
// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
// Uses the page as a person would, and leaves what it saw in the page.
(() => {
  const all = (selector) => Array.from(document.querySelectorAll(selector));
  const rows = (table) => all(`#${table} tbody tr`).filter((row) => row.checkVisibility()).map((row) => row.cells[0].firstChild.textContent);
  const press = (selector) => document.querySelector(selector).click();
  const head = (title) => all('#containers thead th').find((one) => one.textContent === title);
  const background = () => getComputedStyle(document.body).backgroundColor;
  const type = (text) => {
    const search = document.querySelector('#search');
    search.value = text;
    search.dispatchEvent(new Event('input'));
  };
  const saw = { title: document.title, images: all('img').length };
  saw.all = rows('containers');
  saw.hosts = rows('hosts');
  head('Container').firstChild.click();
  saw.up = [rows('containers'), head('Container').ariaSort, head('Host').ariaSort];
  head('Container').firstChild.click();
  saw.down = [rows('containers'), head('Container').ariaSort];
  head('Age').firstChild.click();
  saw.byAge = rows('containers');
  head('Age').firstChild.click();
  saw.byAgeDown = rows('containers');
  type('EU-west one');
  saw.found = [rows('containers'), rows('hosts'), document.querySelector('#shown').textContent];
  type('');
  press('button[data-state="STOPPED"]');
  saw.stopped = rows('containers');
  press('button[data-state="STOPPED"]');
  saw.again = rows('containers').length;
  const light = background();
  press('#theme');
  saw.dark = [light, background(), document.querySelector('#theme').textContent];
  press('#theme');
  saw.light = background() === light;
  const text = document.createElement('pre');
  text.id = 'saw';
  text.textContent = JSON.stringify(saw);
  document.body.append(text);
})();
