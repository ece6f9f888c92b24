// The function that generated calls need, as long as the SDK has none.

import type { CallOptions } from "realtime-gateway";

declare module "realtime-gateway" {
  interface GatewayClient {
    call<T = unknown>(service: string, method: string, data: unknown, options?: CallOptions): Promise<T>;
  }
}
