import { useEffect, useState } from 'preact/hooks';

/** Returns the address of a page. Names of streams and jobs can have any character. */
export function link(page, values = {}) {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== null && value !== '');
  const query = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return `#/${page}${query && `?${query}`}`;
}

export function go(page, values) {
  location.hash = link(page, values);
}

function current() {
  const [page, query = ''] = location.hash.replace(/^#\/?/, '').split(/\?(.*)/s);
  return { page: page || 'overview', query: new URLSearchParams(query) };
}

/** Returns the page of the address bar. */
export function useRoute() {
  const [route, setRoute] = useState(current);
  useEffect(() => {
    const onChange = () => setRoute(current());
    addEventListener('hashchange', onChange);
    return () => removeEventListener('hashchange', onChange);
  }, []);
  return route;
}
