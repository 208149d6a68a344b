import 'reflect-metadata';
import { Controller, Inject, Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type ClientProxy, Ctx, EventPattern, MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import { HfxbusClient, type HfxbusContext, HfxbusHealthIndicator, HfxbusServer } from 'hfxbus/nestjs';
import { firstValueFrom } from 'rxjs';

const connection = process.env.REDIS_URL;

// The service: a group, each of whose patterns is a stream.
@Controller()
class ShopController {
  @MessagePattern('price')
  price(@Payload() { item, count }: { item: string; count: number }, @Ctx() context: HfxbusContext) {
    if (item !== 'book') throw new RpcException({ code: 'NO_SUCH_ITEM', item });
    return { item, total: 12 * count, job: typeof context.getJob().id };
  }

  @EventPattern('order.created')
  onOrder(@Payload() order: { id: number }) {
    console.log('order', order.id);
  }
}

@Module({ controllers: [ShopController] })
class ShopModule {}

// A client of the service.
@Injectable()
class Checkout {
  constructor(@Inject('SHOP') private readonly shop: ClientProxy) {}

  price(item: string, count: number) {
    return firstValueFrom(this.shop.send('price', { item, count }));
  }

  order(id: number) {
    return firstValueFrom(this.shop.emit('order.created', { id }));
  }
}

const shop = {
  provide: 'SHOP',
  useFactory: () => new HfxbusClient({ connection, group: 'shop', send: { capped: 10_000 } }),
};

@Module({ providers: [Checkout, shop] })
class CheckoutModule {}

const strategy = new HfxbusServer({
  connection,
  group: 'shop',
  consumer: { concurrency: 20, claimInterval: 5000, deadLetter: 'dead-letters' },
  maxWait: 5000,
});
const service = await NestFactory.createMicroservice(ShopModule, { strategy, logger: false });
service.enableShutdownHooks();
await service.listen();

const application = await NestFactory.createApplicationContext(CheckoutModule, { logger: false });
const checkout = application.get(Checkout);
console.log(await checkout.price('book', 3));
// → { item: 'book', total: 36, job: 'string' }
console.log(await checkout.price('boat', 1).catch((error) => error));
// → { code: 'NO_SUCH_ITEM', item: 'boat' }
await checkout.order(7);
// → order 7
console.log((await new HfxbusHealthIndicator(strategy).isHealthy('bus')).bus.status);
// → up

await application.get<ClientProxy>('SHOP').close();
await application.close();
await service.close();
