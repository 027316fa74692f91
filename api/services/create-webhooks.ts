import { createWebhookDeliveryService, type WebhookDeliveryService } from './webhook-deliveries.js';
import {
  createWebhookEndpointService,
  type WebhookEndpointDeps,
  type WebhookEndpointService,
} from './webhook-endpoints.js';

/** Whom events are sent to, and what became of each. */
export interface WebhookServices {
  readonly webhookEndpoints: WebhookEndpointService;
  readonly webhookDeliveries: WebhookDeliveryService;
}

export const createWebhooks = (deps: WebhookEndpointDeps): WebhookServices => ({
  webhookEndpoints: createWebhookEndpointService(deps),
  webhookDeliveries: createWebhookDeliveryService(deps),
});
