import { useEffect, useState } from 'preact/hooks';

/** The secret behind `#` in the link that led here. Opening another such link while the page is shown changes nothing else. */
export function useToken(): string {
  const [token, setToken] = useState(takeToken);
  useEffect(() => {
    const take = (): void => setToken((before) => takeToken() || before);
    window.addEventListener('hashchange', take);
    return () => window.removeEventListener('hashchange', take);
  }, []);
  return token;
}

/** Reads the secret and takes it out of the address bar and the history, where others could see it. */
function takeToken(): string {
  const token = window.location.hash.slice(1);
  if (token !== '') window.history.replaceState(null, '', window.location.pathname);
  return token;
}
