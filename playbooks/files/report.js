// Copyright: (c) 2026, fleet.lxc contributors
// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
'use strict';
(() => {
  const root = document.documentElement;
  const one = (selector) => document.querySelector(selector);
  const all = (selector, within = document) => Array.from(within.querySelectorAll(selector));
  root.classList.add('live');

  // Light and dark: what the system prefers, until the button says otherwise. A page opened as a file may
  // have no storage.
  const system = matchMedia('(prefers-color-scheme: dark)');
  const theme = one('#theme');
  const remembered = (value) => {
    try {
      if (value) localStorage.setItem('fleet-theme', value);
      return localStorage.getItem('fleet-theme');
    } catch {
      return null;
    }
  };
  const isDark = () => (root.dataset.theme || (system.matches ? 'dark' : 'light')) === 'dark';
  const showTheme = () => { theme.textContent = isDark() ? 'Light' : 'Dark'; };
  if (['light', 'dark'].includes(remembered())) root.dataset.theme = remembered();
  theme.addEventListener('click', () => {
    root.dataset.theme = isDark() ? 'light' : 'dark';
    remembered(root.dataset.theme);
    showTheme();
  });
  system.addEventListener('change', showTheme);
  showTheme();

  // Sorting: by data-value where a cell has one, else by its text. Cells without a value come last, as do those
  // of a host that did not answer, whose reason is in place of them.
  const order = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });
  const value = (row, column) => row.cells[column]?.dataset.value ?? row.cells[column]?.textContent.trim() ?? '';
  const compare = (a, b) => (a === '' || b === '' ? 0 : isFinite(a) && isFinite(b) ? a - b : order.compare(a, b));
  all('thead button').forEach((button) => button.addEventListener('click', () => {
    const head = button.closest('th');
    const body = head.closest('table').tBodies[0];
    const up = head.getAttribute('aria-sort') !== 'ascending';
    all('th[aria-sort]', head.parentNode).forEach((other) => other.removeAttribute('aria-sort'));
    head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
    const rows = Array.from(body.rows, (row) => ({ row, key: value(row, head.cellIndex) }));
    rows.sort((a, b) => (a.key === '') - (b.key === '') || (up ? 1 : -1) * compare(a.key, b.key));
    body.append(...rows.map(({ row }) => row));
  }));

  // Searching: every word has to be somewhere in a row. A host is shown with its containers that are.
  const search = one('#search');
  const states = all('button[data-state]');
  const containers = all('#containers tbody tr');
  const hosts = all('#hosts tbody tr');
  const text = new Map([...containers, ...hosts].map((row) => [row, row.textContent.toLowerCase()]));
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = states.filter((state) => state.getAttribute('aria-pressed') === 'true').map((state) => state.dataset.state);
    const matches = (row) => words.every((word) => text.get(row).includes(word));
    const shown = containers.filter((row) => matches(row) && (!wanted.length || wanted.includes(row.dataset.state)));
    const theirs = new Set(shown.map((row) => row.dataset.host));
    containers.forEach((row) => { row.hidden = !shown.includes(row); });
    hosts.forEach((row) => { row.hidden = !(theirs.has(row.dataset.host) || (!wanted.length && matches(row))); });
    one('#shown').textContent = words.length || wanted.length
      ? `${shown.length} of ${containers.length} containers, ${hosts.filter((row) => !row.hidden).length} of ${hosts.length} hosts`
      : '';
  };
  search.addEventListener('input', filter);
  states.forEach((state) => state.addEventListener('click', () => {
    state.setAttribute('aria-pressed', String(state.getAttribute('aria-pressed') !== 'true'));
    filter();
  }));
  document.addEventListener('keydown', (event) => {
    if (event.key === '/' && document.activeElement !== search) {
      event.preventDefault();
      search.focus();
    } else if (event.key === 'Escape' && document.activeElement === search) {
      search.value = '';
      filter();
    }
  });
  filter();
})();
