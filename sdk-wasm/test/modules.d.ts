// Stands for packages that only the snippets use.

declare module "react" {
  export function useEffect(effect: () => (() => void) | void, deps: unknown[]): void;
  export function useState<T>(initial: T): [T, (next: T | ((before: T) => T)) => void];
}

declare module "vue" {
  export function onUnmounted(callback: () => void): void;
  export function ref<T>(value: T): { value: T };
}

declare module "ws" {
  export const WebSocket: new (url: string, protocols?: string | string[]) => unknown;
}
