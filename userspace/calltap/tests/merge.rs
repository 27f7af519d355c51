//! Records of several producers come out in order of time, each once, and not before their time.

mod desk;

use calltap::merge::Merge;
use calltap::pool::Pool;
use calltap_evidence::chunk::Chunk;
use calltap_evidence::record::{Authority, Kind, Record};
use desk::Desk;
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;

fn push(merge: &mut Merge, pool: &Pool<Chunk>, authority: &Authority, times: &[u64]) {
    let mut chunk = pool.lend().expect("a chunk");
    for time in times {
        let at_ns = SECOND * 1_700_000_000 + time;
        let frame = time.to_be_bytes();
        let record =
            Record::new(authority, at_ns, 1, Kind::Content, 0, &frame, 8, None, None).unwrap();
        chunk.try_push(&record).unwrap();
    }
    merge.push(chunk);
}

fn drain(merge: &mut Merge, horizon: u64) -> Vec<u64> {
    let mut times = Vec::new();
    merge.drain(SECOND * 1_700_000_000 + horizon, |run| {
        times.extend(run.records().map(|record| record.at_ns() - SECOND * 1_700_000_000));
    });
    times
}

#[test]
fn a_record_waits_for_its_time_and_its_chunk_for_its_last_record() {
    let (desk, pool) = (Desk::new(), Pool::new(2, Chunk::default));
    let authority = desk.authority("L-1", 0);
    let mut merge = Merge::default();
    push(&mut merge, &pool, &authority, &[10, 30, 50]);
    push(&mut merge, &pool, &authority, &[20, 40]);
    assert_eq!(drain(&mut merge, 45), [10, 20, 30, 40]);
    assert!(pool.lend().is_some(), "the second chunk is free again");
    assert_eq!(drain(&mut merge, u64::MAX / 2), [50]);
    assert_eq!(drain(&mut merge, u64::MAX / 2), [0_u64; 0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_record_comes_out_once_and_in_order(
        chunks in prop::collection::vec(prop::collection::vec(0_u64..1000, 0..20), 0..8),
    ) {
        thread_local! {
            static AUTHORITY: Authority = Desk::new().authority("L-1", 0);
        }
        let authority = AUTHORITY.with(|authority| *authority);
        let pool = Pool::new(8, || Chunk::with_capacity(4096));
        let mut merge = Merge::default();
        for times in &chunks {
            push(&mut merge, &pool, &authority, times);
        }
        let mut expected = chunks.concat();
        expected.sort_unstable();
        let mut found = drain(&mut merge, 500);
        prop_assert!(found.iter().all(|time| *time <= 500));
        found.extend(drain(&mut merge, 1000));
        prop_assert_eq!(found, expected);
    }
}
