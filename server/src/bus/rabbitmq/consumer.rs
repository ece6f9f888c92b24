//! A channel that consumes the events of backend services.

use std::{future::Future, sync::Arc};

use bytes::Bytes;
use futures_util::StreamExt;
use lapin::{
    Channel,
    message::Delivery as AmqpDelivery,
    options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions},
    types::FieldTable,
};

use super::{
    dead_letter::Original,
    error::AmqpError,
    link::{Link, in_time},
    topology::close,
    trace::trace_of,
};
use crate::bus::broker::{ChannelError, Consumer, Delivery};

/// A channel that consumes from one queue.
pub(in crate::bus) struct RabbitConsumer {
    link: Arc<Link>,
    channel: Channel,
    consumer: lapin::Consumer,
    tag: String,
    cancelled: bool,
}

impl RabbitConsumer {
    /// Opens a channel, and begins to consume.
    pub(super) async fn open(link: Arc<Link>, queue: String, tag: String, prefetch: u16) -> Result<Self, AmqpError> {
        let channel = link.channel().await?;
        in_time(channel.basic_qos(prefetch, BasicQosOptions::default())).await?;
        let options = BasicConsumeOptions::default();
        let consuming = channel.basic_consume(queue.into(), tag.as_str().into(), options, FieldTable::default());
        let consumer = in_time(consuming).await?;
        Ok(Self { link, channel, consumer, tag, cancelled: false })
    }

    async fn next_delivery(&mut self) -> Result<AmqpDelivery, AmqpError> {
        tokio::select! {
            biased;
            () = self.link.down() => Err(AmqpError::of("the connection is lost")),
            delivery = self.consumer.next(), if !self.cancelled => match delivery {
                Some(delivery) => Ok(delivery?),
                None => Err(AmqpError::of("the queue of inbound events is gone")),
            },
        }
    }

    /// Gives the connection up, so that everything is declared again.
    async fn failed(&self, error: AmqpError) -> ChannelError {
        self.link.fail(error.clone()).await;
        error.into_channel_error(&self.link)
    }
}

impl Consumer<Original> for RabbitConsumer {
    async fn next(&mut self) -> Result<Delivery<Original>, ChannelError> {
        let mut delivery = match self.next_delivery().await {
            Ok(delivery) => delivery,
            Err(error) => return Err(self.failed(error).await),
        };
        let unreadable = self.link.unreadable(&self.channel, &delivery);
        Ok(Delivery {
            tag: delivery.delivery_tag,
            key: delivery.routing_key.to_string(),
            id: delivery.properties.message_id().as_ref().map(ToString::to_string),
            body: Bytes::from(std::mem::take(&mut delivery.data)),
            trace: trace_of(&delivery.properties),
            unreadable: unreadable.as_ref().map(|unreadable| unreadable.detail()),
            original: Original { properties: delivery.properties, unreadable },
        })
    }

    fn acknowledge(&self, tag: u64) -> impl Future<Output = Result<(), ChannelError>> + Send + 'static {
        let (link, channel) = (self.link.clone(), self.channel.clone());
        async move {
            match channel.basic_ack(tag, BasicAckOptions::default()).await {
                Ok(()) => Ok(()),
                Err(error) => {
                    let error = AmqpError::from(error);
                    link.fail(error.clone()).await;
                    Err(error.into_channel_error(&link))
                }
            }
        }
    }

    async fn cancel(&mut self) -> Result<(), ChannelError> {
        self.cancelled = true;
        match in_time(self.channel.basic_cancel(self.tag.as_str().into(), BasicCancelOptions::default())).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.failed(error).await),
        }
    }

    async fn close(self) {
        if self.link.is_up() {
            close(&self.channel).await;
        }
    }
}
