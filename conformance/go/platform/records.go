package main

// The records as the client's types have them: what is marked `must` is there in every answer.

type metadata struct {
	Name        string            `json:"name,must"`
	DisplayName string            `json:"displayName"`
	Labels      map[string]string `json:"labels"`
	URL         string            `json:"url"`
}

type sandbox struct {
	Metadata metadata `json:"metadata,must"`
	Spec     struct {
		Region  string `json:"region"`
		Runtime struct {
			Image  string `json:"image"`
			Memory int    `json:"memory"`
			Ttl    string `json:"ttl"`
			Ports  []struct {
				Target int    `json:"target,must"`
				Name   string `json:"name"`
			} `json:"ports"`
			Envs []struct {
				Name  string `json:"name"`
				Value string `json:"value"`
			} `json:"envs"`
		} `json:"runtime"`
		Lifecycle struct {
			ExpirationPolicies []struct {
				Type  string `json:"type"`
				Value string `json:"value"`
			} `json:"expirationPolicies"`
		} `json:"lifecycle"`
	} `json:"spec,must"`
	Status string `json:"status"`
}

type meta struct {
	HasMore    bool   `json:"hasMore"`
	NextCursor string `json:"nextCursor"`
}

type preview struct {
	Metadata metadata `json:"metadata,must"`
	Spec     struct {
		URL string `json:"url"`
	} `json:"spec,must"`
	Status string `json:"status"`
}

type token struct {
	Metadata metadata `json:"metadata,must"`
	Spec     struct {
		Token     string `json:"token"`
		ExpiresAt string `json:"expiresAt"`
	} `json:"spec,must"`
}

type snapshot struct {
	ID        string `json:"id,must"`
	CreatedAt string `json:"createdAt,must"`
	Name      string `json:"name,must"`
	Status    string `json:"status,must"`
	Workspace string `json:"workspace,must"`
	Source    struct {
		Name    string `json:"name,must"`
		Kind    string `json:"kind"`
		Deleted bool   `json:"deleted"`
	} `json:"source"`
	Spec struct {
		Image string `json:"image"`
	} `json:"spec"`
}

type volume struct {
	Metadata metadata `json:"metadata,must"`
	Spec     struct {
		Size int `json:"size"`
	} `json:"spec,must"`
}

type process struct {
	Command      string `json:"command,must"`
	CompletedAt  string `json:"completedAt,must"`
	ExitCode     int    `json:"exitCode,must"`
	Logs         string `json:"logs,must"`
	Name         string `json:"name,must"`
	Pid          string `json:"pid,must"`
	StartedAt    string `json:"startedAt,must"`
	Status       string `json:"status,must"`
	Stderr       string `json:"stderr,must"`
	Stdout       string `json:"stdout,must"`
	WorkingDir   string `json:"workingDir,must"`
	RestartCount int    `json:"restartCount"`
}

type processLogs struct {
	Logs   string `json:"logs,must"`
	Stderr string `json:"stderr,must"`
	Stdout string `json:"stdout,must"`
}

type done struct {
	Message string `json:"message,must"`
	Path    string `json:"path"`
}

type entry struct {
	Group        string `json:"group,must"`
	LastModified string `json:"lastModified,must"`
	Name         string `json:"name,must"`
	Owner        string `json:"owner,must"`
	Path         string `json:"path,must"`
	Permissions  string `json:"permissions,must"`
	Size         int64  `json:"size,must"`
}

type file struct {
	Content     string `json:"content,must"`
	Name        string `json:"name,must"`
	Owner       string `json:"owner,must"`
	Path        string `json:"path,must"`
	Permissions string `json:"permissions,must"`
	Size        int64  `json:"size,must"`
}

type directory struct {
	Files          []entry `json:"files,must"`
	Name           string  `json:"name,must"`
	Path           string  `json:"path,must"`
	Subdirectories []struct {
		Name string `json:"name,must"`
		Path string `json:"path,must"`
	} `json:"subdirectories,must"`
}

type found struct {
	Matches []struct {
		Path string `json:"path,must"`
	} `json:"matches,must"`
	Total int `json:"total,must"`
}

type part struct {
	Etag       string `json:"etag,must"`
	PartNumber int    `json:"partNumber,must"`
}

type health struct {
	Status       string `json:"status,must"`
	Version      string `json:"version,must"`
	UpgradeCount int    `json:"upgradeCount,must"`
	LastUpgrade  struct {
		Status string `json:"status"`
		Error  string `json:"error"`
	} `json:"lastUpgrade"`
}
