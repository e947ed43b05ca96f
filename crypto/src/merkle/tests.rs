use proptest::prelude::*;

use super::*;

/// The leaves and roots of the reference tests of Certificate Transparency.
const LEAVES: [&str; 8] =
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn known_leaves() -> Vec<Vec<u8>> {
    LEAVES.iter().map(|leaf| hex::decode(leaf).expect("hex")).collect()
}

fn numbered(total: usize) -> Vec<Vec<u8>> {
    (0..total).map(|number| format!("leaf {number}").into_bytes()).collect()
}

#[test]
fn roots_are_those_of_certificate_transparency() {
    let leaves = known_leaves();
    for (total, root) in ROOTS.iter().enumerate() {
        assert_eq!(merkle_root(&leaves[..total]).to_string(), *root, "{total} leaves");
    }
}

#[test]
fn proofs_are_those_of_certificate_transparency() {
    let cases: [(usize, usize, &[&str]); 4] = [
        (
            0,
            8,
            &[
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            5,
            8,
            &[
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (2, 3, &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
        (
            1,
            5,
            &[
                "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
    ];
    let leaves = known_leaves();
    for (index, total, path) in cases {
        let proof = merkle_proof(&leaves[..total], index).expect("a leaf of the tree");
        let found: Vec<String> = proof.path.iter().map(Hash::to_string).collect();
        assert_eq!(found, path, "leaf {index} of {total}");
    }
}

/// The same tree built another way: level by level from below, a last node without a sibling moving up as it is.
fn root_from_below(leaves: &[Vec<u8>]) -> Hash {
    let mut level: Vec<Hash> = leaves.iter().map(|leaf| hash_leaf(leaf)).collect();
    if level.is_empty() {
        return sha256(&[]);
    }
    while level.len() > 1 {
        let up = |pair: &[Hash]| if let [left, right] = pair { hash_node(left, right) } else { pair[0] };
        level = level.chunks(2).map(up).collect();
    }
    level[0]
}

#[test]
fn every_leaf_of_every_small_tree_is_proven_and_nothing_else() {
    for total in 0..=33 {
        let leaves = numbered(total);
        let root = merkle_root(&leaves);
        assert_eq!(root, root_from_below(&leaves), "{total} leaves");
        assert_eq!(merkle_proof(&leaves, total), None, "{total} leaves");
        for index in 0..total {
            let proof = merkle_proof(&leaves, index).expect("a leaf of the tree");
            assert!(proof.verify(&root, &leaves[index]), "leaf {index} of {total}");
            assert_tampering_fails(&proof, &root, &leaves);
        }
    }
}

fn assert_tampering_fails(proof: &MerkleProof, root: &Hash, leaves: &[Vec<u8>]) {
    let leaf = &leaves[proof.index as usize];
    let context = format!("leaf {} of {}", proof.index, proof.total);
    let refused = |tampered: MerkleProof, what: &str| {
        assert!(!tampered.verify(root, leaf), "{context}: {what}");
    };
    for (other, bytes) in leaves.iter().enumerate().filter(|(other, _)| *other as u64 != proof.index) {
        assert!(!proof.verify(root, bytes), "{context}: leaf {other} in its place");
        refused(MerkleProof { index: other as u64, ..proof.clone() }, "another index");
    }
    refused(MerkleProof { index: proof.total, ..proof.clone() }, "index past the end");
    refused(MerkleProof { total: 0, ..proof.clone() }, "no leaves");
    for at in 0..proof.path.len() {
        let mut tampered = proof.clone();
        tampered.path[at] = sha256(tampered.path[at].as_bytes());
        refused(tampered, "another sibling");
        let mut tampered = proof.clone();
        tampered.path.remove(at);
        refused(tampered, "a sibling less");
    }
    for at in 0..=proof.path.len() {
        let mut tampered = proof.clone();
        tampered.path.insert(at, Hash::ZERO);
        refused(tampered, "a sibling more");
    }
    assert!(!proof.verify(&sha256(root.as_bytes()), leaf), "{context}: another root");
}

#[test]
fn a_node_does_not_pass_for_a_leaf() {
    let leaves = numbered(4);
    let node = [merkle_root(&leaves[..1]), merkle_root(&leaves[1..2])];
    let as_leaf = [node[0].as_bytes().as_slice(), node[1].as_bytes()].concat();
    let proof = MerkleProof { index: 0, total: 2, path: vec![merkle_root(&leaves[2..])] };
    assert!(!proof.verify(&merkle_root(&leaves), &as_leaf));
}

proptest! {
    #[test]
    fn no_proof_makes_it_panic(index: u64, total: u64, path in prop::collection::vec(any::<[u8; 32]>(), 0..70)) {
        let path = path.into_iter().map(Hash::from_bytes).collect();
        let proof = MerkleProof { index, total, path };
        prop_assert!(!proof.verify(&Hash::ZERO, b"leaf"));
    }

    #[test]
    fn larger_trees_agree_with_the_tree_from_below(total in 34_usize..400, place: prop::sample::Index) {
        let leaves = numbered(total);
        let index = place.index(total);
        let root = merkle_root(&leaves);
        prop_assert_eq!(root, root_from_below(&leaves));
        prop_assert!(merkle_proof(&leaves, index).expect("a leaf of the tree").verify(&root, &leaves[index]));
    }
}
