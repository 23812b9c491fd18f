//! The manifests name what is there, start nothing that may do more than it must, and find each other by their labels.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::{Value, json};

use crate::files::{below, deploy, documents, has, members, prepared, run, text, texts, yaml};

/// The label that a stateful set gives each of its pods itself.
const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";

/// Every object of the manifests.
fn objects() -> Vec<Value> {
    let list = yaml("kustomization.yaml");
    let found: Vec<Value> = texts(&list["resources"]).into_iter().flat_map(documents).collect();
    assert!(found.len() > 20, "{}", found.len());
    found
}

fn of_kind<'o>(objects: &'o [Value], kind: &str) -> Vec<&'o Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

/// The pods that there will be: name and labels.
fn pods(objects: &[Value]) -> Vec<(String, BTreeMap<String, String>)> {
    let mut pods = Vec::new();
    for set in of_kind(objects, "StatefulSet") {
        let name = set["metadata"]["name"].as_str().unwrap();
        let start = set["spec"]["ordinals"]["start"].as_u64().unwrap_or(0);
        for index in start..start + set["spec"]["replicas"].as_u64().unwrap() {
            let mut labels = labels(&set["spec"]["template"]["metadata"]["labels"]);
            labels.insert(POD_NAME.to_owned(), format!("{name}-{index}"));
            pods.push((format!("{name}-{index}"), labels));
        }
    }
    pods
}

fn labels(object: &Value) -> BTreeMap<String, String> {
    members(object).map(|(name, value)| (name.to_owned(), value.as_str().unwrap().to_owned())).collect()
}

/// How many pods a selector finds.
fn finds(pods: &[(String, BTreeMap<String, String>)], selector: &Value) -> usize {
    let wanted = labels(selector);
    pods.iter().filter(|(_, has)| wanted.iter().all(|(name, value)| has.get(name) == Some(value))).count()
}

/// The faults of a pod's specification.
fn faults(pod: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let mut must = |holds: bool, what: &str| {
        if !holds {
            faults.push(what.to_owned());
        }
    };
    let context = &pod["securityContext"];
    must(
        context["runAsNonRoot"] == true && context["runAsUser"].as_u64().is_some_and(|id| id > 0),
        "runs as root",
    );
    must(context["seccompProfile"]["type"] == "RuntimeDefault", "is free to call the kernel");
    must(pod["automountServiceAccountToken"] == false, "may speak to the cluster");
    must(pod["hostNetwork"].is_null() && pod["hostPID"].is_null(), "is not by itself");
    must(pod["terminationGracePeriodSeconds"].as_u64().is_some_and(|seconds| seconds >= 40), "cannot drain");
    for container in pod["containers"].as_array().unwrap() {
        let context = &container["securityContext"];
        must(context["allowPrivilegeEscalation"] == false, "may gain privileges");
        must(context["readOnlyRootFilesystem"] == true, "writes to its image");
        must(texts(&context["capabilities"]["drop"]) == ["ALL"], "keeps capabilities");
        must(context["privileged"].is_null() && context["capabilities"]["add"].is_null(), "has privileges");
        must(container["image"].as_str().is_some_and(crate::files::is_pinned), "its image may change");
        must(container["resources"]["limits"]["memory"].is_string(), "has no limit of memory");
        must(container["resources"]["requests"]["cpu"].is_string(), "asks for no processor");
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
            must(container[probe].is_object(), &format!("has no {probe}"));
        }
    }
    faults
}

#[test]
fn a_pod_that_may_do_more_than_it_must_is_found() {
    let set = documents("kubernetes/notary.yaml").into_iter().find(|object| object["kind"] == "StatefulSet");
    let good = set.unwrap()["spec"]["template"]["spec"].clone();
    assert_eq!(faults(&good), [""; 0]);
    for (pointer, value) in [
        ("/securityContext/runAsNonRoot", json!(false)),
        ("/securityContext/runAsUser", json!(0)),
        ("/securityContext/seccompProfile", Value::Null),
        ("/automountServiceAccountToken", json!(true)),
        ("/terminationGracePeriodSeconds", json!(5)),
        ("/containers/0/securityContext/allowPrivilegeEscalation", json!(true)),
        ("/containers/0/securityContext/readOnlyRootFilesystem", Value::Null),
        ("/containers/0/securityContext/capabilities/drop", json!([])),
        ("/containers/0/image", json!("trialbook")),
        ("/containers/0/resources/limits/memory", Value::Null),
        ("/containers/0/readinessProbe", Value::Null),
    ] {
        let mut pod = good.clone();
        *pod.pointer_mut(pointer).unwrap() = value;
        assert_eq!(faults(&pod).len(), 1, "{pointer}");
    }
}

#[test]
fn every_pod_is_confined_and_asked_whether_it_is_well() {
    let objects = objects();
    for set in of_kind(&objects, "StatefulSet") {
        assert_eq!(faults(&set["spec"]["template"]["spec"]), [""; 0], "{}", set["metadata"]["name"]);
    }
    let names: BTreeSet<_> = pods(&objects).into_iter().map(|(name, _)| name).collect();
    let due = [
        "nats-1",
        "nats-2",
        "nats-3",
        "registrar-1-0",
        "registrar-2-0",
        "notary-0",
        "outcomes-0",
        "safety-0",
        "console-0",
    ];
    assert_eq!(names, due.map(str::to_owned).into());
}

#[test]
fn selectors_find_the_pods_they_are_for() {
    let objects = objects();
    let pods = pods(&objects);
    for set in of_kind(&objects, "StatefulSet") {
        let name = set["metadata"]["name"].as_str().unwrap();
        let found = finds(&pods, &set["spec"]["selector"]["matchLabels"]);
        assert_eq!(found as u64, set["spec"]["replicas"].as_u64().unwrap(), "{name}");
        let service = set["spec"]["serviceName"].as_str().unwrap();
        assert!(
            of_kind(&objects, "Service").iter().any(|object| object["metadata"]["name"] == service),
            "{name}: {service}"
        );
    }
    for service in of_kind(&objects, "Service") {
        let name = service["metadata"]["name"].as_str().unwrap();
        let due = if name == "nats" { 3 } else { 1 };
        assert_eq!(finds(&pods, &service["spec"]["selector"]), due, "{name}");
    }
    for (name, due) in [("nats", 3), ("registrar", 2)] {
        let budgets = of_kind(&objects, "PodDisruptionBudget");
        let budget = budgets.iter().find(|object| object["metadata"]["name"] == name).unwrap();
        assert_eq!(finds(&pods, &budget["spec"]["selector"]["matchLabels"]), due, "{name}");
    }
    assert_eq!(finds(&pods, &json!({"app": "nobody"})), 0);
}

#[test]
fn the_network_lets_each_reach_whom_it_asks_and_is_closed_otherwise() {
    let objects = objects();
    let pods = pods(&objects);
    let policies = of_kind(&objects, "NetworkPolicy");
    // The one that closes: it selects everything and lets nobody in.
    assert!(
        policies
            .iter()
            .any(|policy| policy["spec"]["podSelector"] == json!({}) && policy["spec"]["ingress"].is_null())
    );
    // Who comes to a pod at a port, by the rules.
    let reached = |name: &str, port: u64| -> BTreeSet<String> {
        let (_, has) = pods.iter().find(|(pod, _)| pod == name).unwrap();
        let mut from = BTreeSet::new();
        for policy in &policies {
            let wanted = labels(&policy["spec"]["podSelector"]["matchLabels"]);
            if wanted.is_empty() || !wanted.iter().all(|(name, value)| has.get(name) == Some(value)) {
                continue;
            }
            for rule in policy["spec"]["ingress"].as_array().into_iter().flatten() {
                let ports = rule["ports"].as_array().unwrap();
                if !ports.iter().any(|open| open["port"].as_u64() == Some(port)) {
                    continue;
                }
                if rule["from"].is_null() {
                    from.insert("everybody".to_owned());
                }
                for peer in rule["from"].as_array().into_iter().flatten() {
                    let wanted = labels(&peer["podSelector"]["matchLabels"]);
                    if wanted.is_empty() {
                        continue;
                    }
                    let let_in = pods
                        .iter()
                        .filter(|(_, has)| wanted.iter().all(|(name, value)| has.get(name) == Some(value)));
                    from.extend(let_in.map(|(name, _)| name.clone()));
                }
            }
        }
        from
    };
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let on_log = set(&["registrar-1-0", "registrar-2-0", "notary-0", "outcomes-0", "safety-0"]);
    for server in ["nats-1", "nats-2", "nats-3"] {
        assert_eq!(reached(server, 4222), on_log);
        assert_eq!(reached(server, 6222), set(&["nats-1", "nats-2", "nats-3"]));
        assert_eq!(reached(server, 8222), set(&[]));
    }
    assert_eq!(reached("registrar-1-0", 7878), set(&["console-0", "registrar-1-0", "registrar-2-0"]));
    for process in ["notary-0", "outcomes-0", "safety-0"] {
        assert_eq!(reached(process, 7878), set(&["console-0"]));
    }
    assert_eq!(reached("console-0", 7878), set(&["everybody"]));
}

/// What a generator makes of its files: the keys.
fn generated(generator: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let key = |file: &str| match file.split_once('=') {
        Some((key, _)) => key.to_owned(),
        None => file.rsplit('/').next().unwrap().to_owned(),
    };
    generator
        .as_array()
        .unwrap()
        .iter()
        .map(|made| {
            let keys = texts(&made["files"]).into_iter().map(key).collect();
            (made["name"].as_str().unwrap().to_owned(), keys)
        })
        .collect()
}

#[test]
fn what_a_pod_mounts_is_made_from_files_that_are_there() {
    let Some(prepared) = prepared("what_a_pod_mounts_is_made_from_files_that_are_there") else { return };
    let (objects, list) = (objects(), yaml("kustomization.yaml"));
    for generator in ["configMapGenerator", "secretGenerator"] {
        for made in list[generator].as_array().unwrap() {
            for file in texts(&made["files"]) {
                let path = file.split_once('=').map_or(file, |(_, path)| path);
                assert!(deploy(path).is_file() || prepared.path().join(path).is_file(), "{path}");
            }
        }
    }
    let (configs, secrets) = (generated(&list["configMapGenerator"]), generated(&list["secretGenerator"]));
    let mut used = BTreeSet::new();
    for set in of_kind(&objects, "StatefulSet") {
        let (name, pod) = (set["metadata"]["name"].as_str().unwrap(), &set["spec"]["template"]["spec"]);
        let mut declared: BTreeSet<&str> = BTreeSet::new();
        for volume in pod["volumes"].as_array().unwrap() {
            declared.insert(volume["name"].as_str().unwrap());
            if let Some(config) = volume["configMap"]["name"].as_str() {
                assert!(configs.contains_key(config), "{name}: {config}");
                used.insert(config.to_owned());
            }
            if let Some(secret) = volume["secret"]["secretName"].as_str() {
                assert!(secrets.contains_key(secret), "{name}: {secret}");
                assert_eq!(secret, name, "a process is given its own secrets");
            }
        }
        for claim in set["spec"]["volumeClaimTemplates"].as_array().unwrap() {
            declared.insert(claim["metadata"]["name"].as_str().unwrap());
        }
        for container in pod["containers"].as_array().unwrap() {
            for mount in container["volumeMounts"].as_array().unwrap() {
                assert!(declared.contains(mount["name"].as_str().unwrap()), "{name}: {mount}");
            }
        }
        // A process's configuration is the file that its arguments name.
        if name != "nats" {
            let config = format!("{name}.toml");
            assert!(configs["trialbook"].contains(&config), "{config}");
            let arguments = texts(&pod["containers"][0]["args"]);
            assert_eq!(arguments.last(), Some(&&*format!("/etc/trialbook/{config}")), "{name}");
            // And what that names under /run/secrets is among the keys of its secret.
            for line in text(&format!("config/{config}")).lines() {
                if let Some((_, rest)) = line.split_once("\"/run/secrets/") {
                    assert!(secrets[name].contains(rest.trim_end_matches('"')), "{name}: {line}");
                }
            }
        }
    }
    assert_eq!(used, configs.keys().cloned().collect(), "somebody mounts each");
    // Each server is mounted its own certificate, by the pod's name.
    for server in ["nats-1", "nats-2", "nats-3"] {
        for file in ["crt", "key"] {
            assert!(secrets["nats"].contains(&format!("{server}.{file}")));
        }
        assert!(configs["nats"].contains(&format!("{server}.conf")));
    }
}

#[test]
fn every_manifest_is_in_the_list() {
    let list = yaml("kustomization.yaml");
    let listed: BTreeSet<_> = texts(&list["resources"]).into_iter().map(deploy).collect();
    assert_eq!(listed, below("kubernetes", "yaml").into_iter().collect());
}

/// kubectl's own reading, where the machine has it.
#[test]
fn kubectl_puts_it_all_together() {
    if !has("kubectl") {
        return;
    }
    let Some(prepared) = prepared("kubectl_puts_it_all_together") else { return };
    for dir in ["config", "kubernetes", "nats"] {
        run(Command::new("cp").arg("-r").arg(deploy(dir)).arg(prepared.path()));
    }
    run(Command::new("cp").arg(deploy("kustomization.yaml")).arg(prepared.path()));
    let made = run(Command::new("kubectl").arg("kustomize").arg(prepared.path()));
    let made: Vec<Value> = serde_saphyr::from_multiple(&made).unwrap();
    assert_eq!(of_kind(&made, "ConfigMap").len(), 3);
    assert_eq!(of_kind(&made, "Secret").len(), 7);
    let elsewhere =
        |object: &&Value| object["kind"] != "Namespace" && object["metadata"]["namespace"] != "trialbook";
    assert_eq!(made.iter().filter(elsewhere).count(), 0);
}
