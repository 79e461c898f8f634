import random,time,sys
from tests.pipeline.test_publish import agreed
from aegis_assets.stores.graph import BoltGraph
def test_perf(world):
    rng=random.Random(1)
    names=[f"N{''.join(rng.choice('abcdefghij') for _ in range(5))}" for _ in range(1500)]
    w=[min(int(rng.expovariate(1/250)),1499) for _ in range(100000)]
    it=iter(w)
    texts=[" ".join(f"{names[next(it)]} uses {names[next(it)]}." for _ in range(4))+f" t{i}" for i in range(700)]
    windows=[texts[i:i+50] for i in range(0,700,50)]
    t=time.time(); d=world.prepare("big.md",windows); print("prepare",time.time()-t)
    import cProfile,pstats
    t=time.time(); p=cProfile.Profile(); p.enable(); r=world.publish(d); p.disable(); print("publish",time.time()-t,r)
    t=time.time(); world.publish(d); print("again",time.time()-t)
    t=time.time(); print(agreed(world,d)); print("consistency",time.time()-t)
    world.ledger.finish(d,"run-1","succeeded","")
    texts[100]="Changed uses Words."; windows=[texts[i:i+50] for i in range(0,700,50)]
    d=world.prepare("big.md",windows,run_id="run-2")
    t=time.time(); print(world.publish(d,"run-2")); print("revision",time.time()-t)
    pstats.Stats(p).sort_stats("cumulative").print_stats(0)
