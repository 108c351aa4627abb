//! Foreign producers and odd files.

use stillheap_analysis::*;

use super::builder::{Builder, ask_everything, read};

/// Fields in another order, unknown fields and types, no `(GC roots)`, sections in another order, one line.
#[test]
fn fields_are_found_by_name() {
    let text = concat!(
        r#"{"version":3,"snapshot":{"extra":{"a":[1,"]"]},"meta":{"node_fields":["id","edge_count","colour","self_size","#,
        r#""name","type"],"node_types":["number","number","number","number","string",["jl_task_t","object","synthetic"]],"#,
        r#""edge_fields":["to_node","weight","type","name_or_index"],"#,
        r#""edge_types":["node","number",["property","element","borrowed"],"string_or_number"]},"root_index":0},"#,
        r#""nodes":[1,2,9,0,0,2,3,1,9,64,1,1,5,0,9,32,2,0],"edges":[6,7,1,0,12,7,2,1,12,7,0,2],"#,
        r#""comment":{"x":["]","}"]},"strings":["","Thing","task \"one\""]}"#
    );
    let snapshot = read(text.as_bytes().to_vec(), 0).unwrap();
    let a = snapshot.analysis(Model::Devtools);
    assert_eq!(snapshot.node_count(), 3);
    assert_eq!(a.node_type(NodeOrdinal(2)), "jl_task_t");
    assert_eq!(a.class_name(NodeOrdinal(2)), "(jl_task_t)");
    assert_eq!(a.name(NodeOrdinal(2)), "task \"one\"");
    let children = a.children(NodeOrdinal(1), EdgeSort::File, Page::ALL);
    assert_eq!(
        (children.items[0].name.as_str(), children.items[0].edge_type.as_str()),
        ("task \"one\"", "property")
    );
    assert_eq!(a.children(NodeOrdinal(0), EdgeSort::File, Page::ALL).items[1].edge_type, "borrowed");
    assert!(snapshot.header().json().contains_key("extra"));
    assert!(snapshot.completeness().is_whole());
    ask_everything(&snapshot);
}

#[test]
fn new_sections_are_kept() {
    let text =
        Builder::new().json().replace("\"strings\":", "\"scopes\":[1,-2,3],\"scope_uses\":[],\"strings\":");
    let snapshot = read(text.into_bytes(), 0).unwrap();
    let kept: Vec<(&str, &[i64])> = snapshot.extra_sections().collect();
    assert_eq!(kept, [("scopes", [1, -2, 3].as_slice()), ("scope_uses", [].as_slice())]);
}

/// The same file plain, packed, in one line and with a lot of white space, on one thread and on several, is
/// the same snapshot.
#[test]
fn packing_layout_and_threads_make_no_difference() {
    let mut builder = Builder::new();
    for i in 1..60_000usize {
        let ty = ["object", "string", "closure", "array", "hidden"][i % 5];
        let name = format!("name {} \"é\" \\ 😀 {}", i % 997, "x".repeat(i % 50));
        builder.node(ty, if i % 5 == 1 { &name } else { "Thing" }, (i % 90) as u64);
        builder.edge(i / 2, "property", "child", i);
        if i % 3 == 0 {
            builder.edge(i, "element", &(i % 11).to_string(), i / 3);
        }
    }
    let text = builder.json();
    assert!(text.len() > 2 << 20, "several blocks are needed");
    let table = |bytes: Vec<u8>, threads: usize| {
        let snapshot = read(bytes, threads).unwrap();
        assert!(snapshot.completeness().is_whole());
        let a = snapshot.analysis(Model::Devtools);
        let nodes: Vec<_> = (0..snapshot.node_count()).map(|n| a.node(NodeOrdinal(n))).collect();
        (nodes, a.classes(None).rows.clone(), snapshot.packing())
    };
    let (nodes, rows, _) = table(text.clone().into_bytes(), 1);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, text.as_bytes()).unwrap();
    let variants = [
        (text.clone().into_bytes(), Packing::Plain),
        (gzip.finish().unwrap(), Packing::Gzip),
        (zstd::encode_all(text.as_bytes(), 1).unwrap(), Packing::Zstd),
        (format!("\u{feff}{}", text.replace('\n', "")).into_bytes(), Packing::Plain),
        (text.replace("\n,", " ,\r\n\t").into_bytes(), Packing::Plain),
    ];
    for (i, (bytes, packing)) in variants.into_iter().enumerate() {
        for threads in [1, 2, 5] {
            let found = table(bytes.clone(), threads);
            assert!(found.0 == nodes && found.1 == rows, "variant {i} on {threads} threads");
            assert_eq!(found.2, packing);
        }
    }
}
