// What the documented snippets take for granted: an app around them.

import type * as sdk from "realtime-gateway";

declare global {
  type GatewayError = sdk.GatewayError;
  type ChatEvent = sdk.ChatEvent;
  const GatewayClient: typeof sdk.GatewayClient;
  const gateway: sdk.GatewayClient;
  const id: string;
  const text: string;
  const botToken: string;
  const signal: AbortSignal;
  const saved: sdk.Position | undefined;
  const pending: { clientMessageId: string };
  const oldest: sdk.Chat;
  const input: HTMLInputElement;
  const signOutButton: HTMLButtonElement;
  function getJwt(signal: AbortSignal): Promise<string>;
  function banner(...what: unknown[]): void;
  function hideBanner(): void;
  function signIn(): void;
  function upsert(key: string, chat: sdk.Chat): void;
  function remove(messageId: string): void;
  function replace(chats: sdk.Chat[]): void;
  function prepend(chats: sdk.Chat[], more: boolean): void;
  function show(event: sdk.ChatEvent): void;
  function save(position: sdk.Position): void;
  function dismiss(notificationId: string): void;
  function showTyping(userId: string, isTyping: boolean): void;
  function showBubble(name: string, text: string): void;
  function keepPending(name: string): void;
  function fail(name: string, code: string, retryAfterMs: number | undefined): void;
  function setOnline(users: string[]): void;
  function setOne(userId: string, online: boolean): void;
  function setBadge(count: number): void;
  function showPlayers(users: { userId: string; sessions: number; data?: unknown }[]): void;
  function moveMarker(place: { lat: number; lon: number }): void;
  function setScore(home: number, away: number): void;
  function toast(title: string): void;
  function log(...what: unknown[]): void;
}
