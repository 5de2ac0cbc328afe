// Reads ServiceMonitors as the Prometheus Operator does, but takes no field that it does not know.
package main

import (
	"fmt"
	"os"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/yaml"
)

func main() {
	for _, path := range os.Args[1:] {
		if err := check(path); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", path, err)
			os.Exit(1)
		}
	}
}

func check(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var monitor monitoring.ServiceMonitor
	if err := yaml.UnmarshalStrict(text, &monitor); err != nil {
		return err
	}
	if len(monitor.Spec.Endpoints) == 0 {
		return fmt.Errorf("it has no endpoints")
	}
	for _, endpoint := range monitor.Spec.Endpoints {
		if err := endpoint.HTTPConfigWithProxyAndTLSFiles.Validate(); err != nil {
			return err
		}
	}
	return nil
}
