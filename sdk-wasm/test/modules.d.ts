// Stands for packages that only the snippets use.

declare module "ws" {
  export const WebSocket: new (url: string, protocols?: string | string[]) => unknown;
}
