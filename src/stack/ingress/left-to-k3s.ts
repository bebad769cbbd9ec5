/** Whether the Traefik that k3s brings is to serve what is served: where the arguments of k3s do not leave it out. */
export function isLeftToK3s(k3sArgs: readonly string[] | undefined): boolean {
  return k3sArgs !== undefined && !/--disable[= ]\S*\btraefik\b/.test(k3sArgs.join(' '))
}
