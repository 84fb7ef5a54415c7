// Requests to the server of this page; README.md has the contract. A refusal rejects with what the server said.

/**
 * @param {string} path
 * @param {unknown} body
 */
export async function post(path, body) {
  const response = await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  const answer = await response.json().catch(() => null);
  if (response.ok && !answer?.error) return answer;
  const error = answer?.error ?? answer;
  throw new Error(error?.detail ?? error?.message ?? error?.title ?? `the server answered ${response.status}`);
}

export async function config() {
  const response = await fetch("/demo/config.json", { cache: "no-store" });
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  return response.json();
}
